# The three parts of the file: the text, the list that was signed, the signature.
sed -n '/^-- text --$/,/^-- list --$/p' ana.decision | sed '1d;$d' > text
sed -n '/^-- list --$/,/^-- signature --$/p' ana.decision | sed '1d;$d' > list
sed -n '/^-- signature --$/,$p' ana.decision | sed 1d > list.sig

# The list names the digest of the text, and Ana signed the list.
grep "sha256:$(sha256sum < text | cut -d ' ' -f 1) " list
ssh-keygen -Y verify -f allowed_signers -I ana@example.com -n nhi-decision@v1 -s list.sig < list
