package ssh

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// skew is how far before its term a certificate is valid, for hosts whose
// clock is behind ours.
const skew = time.Minute

// Critical options of user certificates, PROTOCOL.certkeys.
const (
	optionCommand = "force-command"
	optionSources = "source-address"
)

// serialOf derives the serial of an account's certificates from the nonce of
// its intent, so that whoever finishes or undoes that intent finds the same
// one. It is never 0, which means "none" to OpenSSH.
func serialOf(mark nhi.Mark) uint64 {
	sum := sha256.Sum256([]byte("nhi ssh serial 1\n" + mark.Nonce))
	return max(1, binary.BigEndian.Uint64(sum[:8]))
}

func idOf(account connector.Account) string {
	return strconv.FormatUint(serialOf(account.Mark), 10)
}

// keyID is what sshd logs of a certificate: whose it is.
func keyID(mark nhi.Mark) string {
	return strings.Join([]string{"nhi", mark.Ledger, string(mark.Grant), mark.Target}, " ")
}

// sign makes a certificate for the account's access, from before its term (or
// skew before now, where that is later) to end.
func sign(ca ssh.Signer, account connector.Account, from, end time.Time) (*ssh.Certificate, error) {
	if err := checkAccess(account.Access); err != nil {
		return nil, err
	}
	key, err := parsePublicKey(account.Access.Text(accessPublicKey))
	if err != nil {
		return nil, err
	}
	certificate := &ssh.Certificate{
		Key: key, Serial: serialOf(account.Mark), CertType: ssh.UserCert, KeyId: keyID(account.Mark),
		ValidPrincipals: account.Access.Items(accessPrincipals),
		ValidAfter:      seconds(from), ValidBefore: seconds(end),
		Permissions: permissions(account.Access),
	}
	if certificate.ValidBefore <= certificate.ValidAfter {
		return nil, fmt.Errorf("a certificate from %s to %s would never be valid: %w", nhi.FormatTime(from), nhi.FormatTime(end), nhi.ErrInvalid)
	}
	if err := certificate.SignCert(rand.Reader, ca); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if n := len(oneLine(certificate)); n > connector.MaxEvidence {
		return nil, fmt.Errorf("the certificate is %d bytes long, and %d is the longest allowed: %w", n, connector.MaxEvidence, nhi.ErrInvalid)
	}
	return certificate, nil
}

// permissions are the options and extensions of an access.
func permissions(access nhi.Values) ssh.Permissions {
	made := ssh.Permissions{CriticalOptions: map[string]string{}, Extensions: map[string]string{}}
	if command := access.Text(accessCommand); command != "" {
		made.CriticalOptions[optionCommand] = command
	}
	if sources := access.Items(accessSources); len(sources) > 0 {
		made.CriticalOptions[optionSources] = strings.Join(sources, ",")
	}
	for _, extension := range access.Items(accessExtensions) {
		made.Extensions[extension] = ""
	}
	return made
}

// seconds is a time as certificates hold it: whole seconds, cut.
func seconds(t time.Time) uint64 { return uint64(max(0, t.Unix())) }

// endOf is the end of a certificate.
func endOf(certificate *ssh.Certificate) time.Time {
	const latest = 253402300799 // 9999-12-31, the last that can be written
	return time.Unix(int64(min(certificate.ValidBefore, latest)), 0).UTC()
}

// parseEvidence reads the certificate that Enable returned. It must be a user
// certificate for this account with a good signature: whatever else stands in
// its place is nhi.ErrForeign. No evidence is nil.
func parseEvidence(account connector.Account) (*ssh.Certificate, error) {
	if account.Evidence == "" {
		return nil, nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(account.Evidence))
	certificate, ok := key.(*ssh.Certificate)
	if err != nil || !ok || certificate.CertType != ssh.UserCert || len(certificate.ValidPrincipals) == 0 {
		return nil, fmt.Errorf("the evidence is no user certificate: %w", nhi.ErrForeign)
	}
	if certificate.KeyId != keyID(account.Mark) || certificate.Serial != serialOf(account.Mark) {
		return nil, fmt.Errorf("the evidence is another account's certificate (%.300q, serial %d): %w", certificate.KeyId, certificate.Serial, nhi.ErrForeign)
	}
	checker := ssh.CertChecker{
		SupportedCriticalOptions: slices.Collect(maps.Keys(certificate.CriticalOptions)),
		// Its dates are judged elsewhere.
		Clock: func() time.Time { return time.Unix(int64(certificate.ValidAfter), 0) }, //nolint:gosec // refused by CheckCert where negative
	}
	if err := checker.CheckCert(certificate.ValidPrincipals[0], certificate); err != nil {
		return nil, fmt.Errorf("the evidence does not verify (%w): %w", err, nhi.ErrForeign)
	}
	return certificate, nil
}

// differences says in words how a certificate differs from what was approved.
func differences(certificate *ssh.Certificate, account connector.Account, ca ssh.PublicKey) []string {
	var found []string
	if oneLine(certificate.SignatureKey) != oneLine(ca) {
		found = append(found, "the certificate is signed by another CA: "+ssh.FingerprintSHA256(certificate.SignatureKey))
	}
	if key, err := canonicalPublicKey(account.Access.Text(accessPublicKey)); err != nil || key != oneLine(certificate.Key) {
		found = append(found, "the certificate is for another public key: "+ssh.FingerprintSHA256(certificate.Key))
	}
	held := privilegesOf(certificate.ValidPrincipals, slices.Collect(maps.Keys(certificate.Extensions)))
	approved := privileges(account.Access)
	for _, privilege := range held {
		if !slices.Contains(approved, privilege) {
			found = append(found, privilege+" is in the certificate and not approved")
		}
	}
	for _, privilege := range approved {
		if !slices.Contains(held, privilege) {
			found = append(found, privilege+" is approved and not in the certificate")
		}
	}
	if want := permissions(account.Access).CriticalOptions; !maps.Equal(certificate.CriticalOptions, want) {
		found = append(found, fmt.Sprintf("the certificate has the options %s, and %s were approved", words(certificate.CriticalOptions), words(want)))
	}
	if certificate.ValidBefore != seconds(account.NotAfter) {
		found = append(found, fmt.Sprintf("the certificate ends %s, and the term %s", nhi.FormatTime(endOf(certificate)), nhi.FormatTime(account.NotAfter)))
	}
	return found
}

// words writes options for people: sorted, [] where there are none.
func words(options map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(options)) {
		list = append(list, name+"="+options[name])
	}
	return fmt.Sprintf("%.200q", list)
}
