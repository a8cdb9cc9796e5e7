// Package signature makes and checks SSH signatures over canonical texts.
//
// What Sign makes, `ssh-keygen -Y verify` accepts, and the reverse: the format
// is OpenSSH's PROTOCOL.sshsig with SHA-512. Every signature is for one
// namespace, so that what was signed for one purpose never serves another.
//
// Four types of key are allowed: ssh-ed25519, ecdsa-sha2-nistp256 and the two
// of hardware tokens, sk-ssh-ed25519@openssh.com and
// sk-ecdsa-sha2-nistp256@openssh.com, whose signatures count only with a touch.
package signature

// The namespaces, one for each kind of text that is signed.
const (
	NamespaceDecision = "nhi-decision@v1"
	NamespacePolicy   = "nhi-policy@v1"
	NamespaceRoot     = "nhi-root@v1"
	NamespaceBase     = "nhi-base@v1"
	NamespaceRequest  = "nhi-request@v1"
	NamespaceReport   = "nhi-report@v1"
	// NamespaceEmergency is of what holders of the trust root sign while the
	// ledger is away.
	NamespaceEmergency = "nhi-emergency@v1"
)
