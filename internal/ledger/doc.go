// Package ledger is the append-only record of who asked, who decided, and what
// was done about it.
//
// The record is a set of chains: one for each subject (the trust root, the
// policy, an identity, an approval, a grant), each entry with the hash of the
// one before. An entry lives in a Store under CHAIN/SEQ and is only ever
// created: creating the next number is the compare-and-swap, so two writers
// never overwrite each other, and nobody waits for a lock. The end of a chain
// is the state of its subject, and reading it costs that chain alone.
//
// The hashes show that an entry was changed, taken out, put in or moved. They
// cannot show that a chain was cut short at its end, or that the whole store
// was replaced by an older one: for that, decisions and Terraform's private
// state carry the heads that their makers saw.
//
// A Ledger is safe for concurrent use, by goroutines and by processes.
package ledger
