// Package mutants proves that the tests of the promises bite. Each file in
// testdata is one mutant: a small edit of the code that breaks a promise. Built
// with the tag mutants, TestMutants applies each edit to a copy of the
// repository and requires that the promise's test fails.
//
//	make mutants
//	make mutants TESTARGS='-mutant ^05'
//
// A mutant is a text:
//
//	promise: 5
//	breaks: A failed step leaves behind what it added.
//	test: TestPromise05AllOrNothing
//	file: internal/lifecycle/undo.go
//	--- old
//	the lines as they are, which must stand in the file exactly once
//	--- new
//	the lines that take their place
//
// The test is one of internal/provider: that of the promise, or another one
// that shows it; or one of another package, where a line such as
// "package: internal/lifecycle" names that. The edit must compile, and changes
// one check, one comparison or one order. An edit whose old lines are gone, or
// stand there twice, is a failure: mend it together with the code.
package mutants
