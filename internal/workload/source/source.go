package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// maxFile bounds a file that holds a token, in bytes.
const maxFile = 32 << 10

// ErrNone says that a source has no token now: the variable is not set, the
// file is missing, or this is no job of GitHub Actions.
var ErrNone = errors.New("there is no token")

// Source is where a run finds its token. At most one of its fields is set; the
// zero Source has nothing.
type Source struct {
	Env    string // name of a variable
	File   string // path of a file
	GitHub bool   // the job asks the runner that it runs on
	Vault  *Vault // the token is Vault's, and looked up there
	// Unknown says that the configuration does not know it yet.
	Unknown bool
}

// IsZero says whether nothing is set.
func (s Source) IsZero() bool { return s == Source{} }

// String names the place, which is no secret.
func (s Source) String() string {
	switch {
	case s.Env != "":
		return "env " + s.Env
	case s.File != "":
		return "file " + s.File
	case s.GitHub:
		return "github_actions"
	case s.Vault != nil:
		return fmt.Sprintf("vault %q %q %q (%s)", s.Vault.Address, s.Vault.Namespace, s.Vault.CAFile, s.Vault.Token)
	default:
		return "nowhere"
	}
}

// Check holds where exactly one place is named, and named well. Errors are
// nhi.ErrInvalid.
func (s Source) Check() error {
	places := 0
	for _, named := range []bool{s.Env != "", s.File != "", s.GitHub, s.Vault != nil} {
		if named {
			places++
		}
	}
	switch {
	case s.Unknown:
		return nil
	case places != 1:
		return fmt.Errorf("must name exactly one of token_env, token_file, github_actions and vault: %w", nhi.ErrInvalid)
	case s.Env != "":
		return CheckEnv(s.Env)
	case s.Vault != nil:
		return s.Vault.check()
	}
	return nil
}

// CheckEnv holds for the name of a variable.
func CheckEnv(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	if name == "" || len(name) > 200 || strings.Trim(name, letters+"0123456789") != "" || !strings.Contains(letters, name[:1]) {
		return fmt.Errorf("%.80q is no name of a variable: %w", name, nhi.ErrInvalid)
	}
	return nil
}

// Token returns a token for one of the audiences of its issuer, which is
// looked up by its URL. What is not asked for (a variable, a file) is for
// whatever audience it was made for. Errors are ErrNone, nhi.ErrUnreachable or
// workload.ErrRefused, and never quote a token.
func (s Source) Token(ctx context.Context, audiences func(issuer string) []string) (nhi.Secret, error) {
	switch {
	case s.Unknown:
		return nhi.Secret{}, fmt.Errorf("%w: the configuration does not know where yet", ErrNone)
	case s.Env != "":
		return present(os.Getenv(s.Env), "the variable "+s.Env+" is not set")
	case s.File != "":
		return fromFile(s.File)
	case s.GitHub:
		return gitHub(ctx, audiences)
	default:
		return nhi.Secret{}, ErrNone
	}
}

func present(text, otherwise string) (nhi.Secret, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nhi.Secret{}, fmt.Errorf("%w: %s", ErrNone, otherwise)
	}
	return nhi.NewSecret(text), nil
}

func fromFile(path string) (nhi.Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nhi.Secret{}, fmt.Errorf("%w: %w", ErrNone, err)
	}
	if !info.Mode().IsRegular() {
		return nhi.Secret{}, fmt.Errorf("%w: %s is no plain file", ErrNone, path) // a pipe would be waited for
	}
	file, err := os.Open(path)
	if err != nil {
		return nhi.Secret{}, fmt.Errorf("%w: %w", ErrNone, err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nhi.Secret{}, fmt.Errorf("%w: %w", ErrNone, err)
	case len(text) > maxFile:
		return nhi.Secret{}, fmt.Errorf("%w: %s is longer than %d bytes", workload.ErrMalformed, path, maxFile)
	}
	return present(string(text), path+" is empty")
}
