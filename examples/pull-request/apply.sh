#!/usr/bin/env bash
# On the main branch: the first apply records what is asked for, and the second
# one gives what is approved.
set -euo pipefail

terraform apply -input=false -auto-approve
terraform apply -input=false -auto-approve
