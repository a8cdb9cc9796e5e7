nhi emergency sign --key keys/root-ana incident.emergency
