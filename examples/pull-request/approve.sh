nhi approve ../requests/*.request --out approvals
git add approvals
git commit --quiet --message "Approve what this pull request asks for"
git push --quiet
