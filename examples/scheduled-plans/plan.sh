#!/usr/bin/env bash
# A nightly look at everything that holds access: exits with 0 when nothing has
# changed, and with 2, after it has said what, when an apply is due.
set -euo pipefail

export NHI_READ_ONLY=1 # issue no credentials in a plan that nobody waits for
tf=${TF:-terraform}    # or tofu

code=0
"$tf" plan -input=false -no-color -detailed-exitcode -out=nightly.tfplan >nightly.txt 2>&1 || code=$?
case $code in
  0) echo "nothing to do" ;;
  2) grep -E '^  # nhi_|status +=|^Warning: ' nightly.txt || true ;;
  *) cat nightly.txt ;;
esac
exit $code
