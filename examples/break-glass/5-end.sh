nhi emergency revoke incident.emergency
