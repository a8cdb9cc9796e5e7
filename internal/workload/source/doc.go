// Package source finds what a run can prove itself with: a token in a variable
// or a file, one that GitHub Actions gives out on request, or Vault's answer
// about the token that the run holds. It verifies nothing, and reads nothing
// before it is asked.
package source
