// Package policy reads the signed policy document, says which of its rules
// decide a request, and counts the decisions that people signed.
//
// It is pure: no clock, no file, no network. The time comes in as a value, so
// that the same input always has the same verdict. Every unknown is a no.
package policy
