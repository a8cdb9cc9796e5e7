// Package workload reads the tokens by which a workload identity (a CI job, a
// Terraform run) says what it is: JSON Web Tokens of an OpenID Connect issuer.
// It verifies a token against keys that it is given, and makes and verifies
// proofs that somebody held a token, which do not reveal it. It does no I/O
// and has no clock: package discovery fetches the keys.
package workload
