# Why a request may be activated, or not.
data "nhi_policy_decision" "etl" {
  id = "production/payments/etl/orders-etl:default"
}

output "why" {
  value = {
    allowed = data.nhi_policy_decision.etl.allowed
    rules   = data.nhi_policy_decision.etl.rules
    needs   = data.nhi_policy_decision.etl.needs
    denied  = data.nhi_policy_decision.etl.denied
  }
}

# A check of your own over what the policy decides on.
check "no_third_party_without_review" {
  assert {
    condition     = jsondecode(data.nhi_policy_decision.etl.input).identity.kind != "third_party" || length(data.nhi_policy_decision.etl.reviews) > 0
    error_message = "Access of third parties should have a review."
  }
}
