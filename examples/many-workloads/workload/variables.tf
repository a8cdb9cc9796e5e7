variable "name" {
  type        = string
  description = "The name of the identity, unique within the scope of the provider block."
}

variable "owner" {
  type        = string
  description = "The person who answers for it."
}

variable "purpose" {
  type        = string
  description = "What it is for, in one line."
}

variable "kind" {
  type        = string
  default     = "service"
  description = "service, automation, agent or third_party."
}

variable "lifetime" {
  type        = string
  default     = "2160h"
  description = "How long the identity lives from its creation on."
}

variable "ttl" {
  type        = string
  default     = "720h"
  description = "How long the access lasts from its activation on."
}

variable "justification" {
  type        = string
  description = "Why: a ticket or a reason. Changing it asks nobody again."
}

variable "renewal" {
  type        = number
  default     = null
  description = "Raise it to ask for another term of the same access."
}

variable "renew_before" {
  type        = string
  default     = null
  description = "Ask for the next term by itself, this long before the end."
}

# Whatever nhi_approval.access takes. The provider checks it, and its messages
# point here.
variable "access" {
  type        = any
  description = "What is asked for, by target."
}
