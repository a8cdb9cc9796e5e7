ssh-keygen -Y sign -n nhi-emergency@v1 -f keys/root-ben \
  < incident.emergency >> incident.emergency.sig
