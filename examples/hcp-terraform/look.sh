nhi log | grep confirmed
nhi verify
