nhi emergency grant incident.emergency --credentials incident.json
