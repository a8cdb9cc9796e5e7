# terraform apply -invoke=action.nhi_sweep.all
action "nhi_sweep" "all" {}
