// Package lifecycle holds the verbs of a grant: Decide, Activate, Repair,
// Revoke, and what they rest on: the record (what the ledger says of a grant),
// the standing (what policy and decisions say of a request) and the systems.
//
// Decide is pure. The others follow one order: evaluate, write the intent,
// read again what was relied on, act, read back, record. The package knows no
// Terraform; its clock is the ledger's.
package lifecycle
