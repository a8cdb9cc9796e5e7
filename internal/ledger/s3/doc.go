// Package s3 keeps a ledger in a bucket of Amazon S3, or of another server that
// speaks S3 and refuses to overwrite (If-None-Match: *). Each entry is one
// object, whose name follows from its key (see objectName), so that a person
// can find it and that reading one chain lists nothing else.
//
// Reads after writes and lists are strongly consistent on S3; another vendor
// must promise the same. What makes the bucket append-only is its policy (see
// guard): this package never overwrites and never deletes, whatever it may do.
//
// Where the ledger is follows from the settings alone. Credentials that are not
// in the settings come from where every AWS tool finds them.
package s3
