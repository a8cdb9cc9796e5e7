nhi policy sign --key ~/.ssh/id_ed25519 --publish
