// Package witness is the memory of an auditor, kept on another machine than
// the ledger. It holds the hash of every entry that it has ever seen, and so
// notices what the ledger alone cannot show: entries that are gone or other, a
// chain that was cut short, and a whole ledger that was replaced by an older
// copy of itself.
//
// The memory is a log of records, one line each, that only grows. The records
// are the leaves of a Merkle tree (RFC 6962), and its head stands in a
// checkpoint: a signed note in the format that transparency logs share
// (c2sp.org/tlog-checkpoint), under a key of the witness. Whoever kept an older
// checkpoint can show that nothing in the memory was rewritten since.
//
// What a witness has seen first holds for it. Another entry under the same
// number is recorded beside it, and only a person can accept it.
package witness
