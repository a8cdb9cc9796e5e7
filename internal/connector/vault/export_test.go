package vault

// OpenAt opens a Vault on a machine with another clock.
var OpenAt = open
