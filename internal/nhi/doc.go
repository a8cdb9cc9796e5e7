// Package nhi holds the nouns of non-human identity orchestration and their
// canonical texts: identities, accesses, requests, decisions, the trust root,
// marks and secrets.
//
// A canonical text has exactly one way to write each thing. Its bytes are
// signed and hashed, so they are fixed for ever by golden files: a changed
// byte would void every approval that was ever given. The package knows no
// clock, no network, no file and no Terraform, and imports the standard
// library alone.
package nhi
