//go:build !linux || (!amd64 && !arm64)

package killpoint

// Run refuses: there is no ptrace here that this package knows.
func Run(Plan) (Outcome, error) { return Outcome{Code: -1}, ErrUnsupported }
