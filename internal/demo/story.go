package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// story is the demo under way.
type story struct {
	*page
	place  *workspace
	keys   keyring
	server *server
	term   time.Duration // of the access that ends by itself
	logins int
	built  time.Duration // how long that took
	waited time.Duration // for the end
}

// The approvals of the story: the first ends by itself, the second is taken
// away before its end.
const (
	nightly = "production/payments/etl/orders-etl:default"
	repair  = "production/payments/etl/orders-etl:repair"
)

// chapters are the steps in their order; each stops with an error if what it
// shows is not so.
var chapters = []struct {
	title string
	play  func(*story, context.Context) error
}{
	{"Install: build the provider from source into a local mirror; no registry is asked", (*story).install},
	{"People, a machine, and an SSH server that trusts one CA and reads its revocation list", (*story).people},
	{"The platform team sets the rules: a ledger, a signed policy, two of its approvers must say yes", (*story).rules},
	{"Rae writes in Terraform which access a nightly job needs; the configuration is all she does", (*story).write},
	{"Plan and apply: access is asked for, and nothing is given", (*story).ask},
	{"What waits for a decision, as an approver reads it", (*story).read},
	{"Two people approve, each with a key of their own; neither the asker's yes nor one alone is enough", (*story).approve},
	{"The next plan shows that by itself: approved -> active (exit code 2)", (*story).foresee},
	{"Apply checks every signature again, signs the certificates, and sees that the server takes them", (*story).activate},
	{"A real login with the certificate", (*story).use},
	{"The time runs out, and the server shuts the door by itself", (*story).wait},
	{"A plan reports the end as drift, for a nightly run to see: expired -> revoked (exit code 2)", (*story).notice},
	{"Apply revokes: the certificate is refused twice over, the other one still works", (*story).revoke},
	{"Destroy revokes the other access an hour before its time, and sees that the server refuses it", (*story).destroy},
	{"An auditor checks the record: every signature, and that each activation was approved", (*story).verify},
}

// tell tells the story in a folder of its own, which is gone afterwards.
func tell(ctx context.Context, p *page, cli string, term time.Duration) error {
	began := time.Now()
	place, err := newWorkspace(ctx, cli)
	if err != nil {
		return err
	}
	p.line("The life of one machine identity, with %s, in %s", place.product, place.root)
	s := &story{page: p, place: place, keys: keyring{place.path("work/keys")}, term: term}
	err = s.play(ctx)
	if s.server != nil {
		s.server.close()
	}
	if err == nil {
		s.conclude(time.Since(began))
	}
	left := place.remove()
	if left == nil {
		p.line("\nNothing is left behind: %s is removed.", place.root)
	}
	return errors.Join(err, left)
}

// play plays all chapters.
func (s *story) play(ctx context.Context) error {
	for _, chapter := range chapters {
		s.step(chapter.title)
		err := chapter.play(s, ctx)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", s.steps, err)
		}
	}
	return nil
}

// conclude says what was proven.
func (s *story) conclude(took time.Duration) {
	s.line("\n%s", s.styled(bold, fmt.Sprintf("Proven with %d logins over SSH, in %s (%s to build, %s to wait for the end):",
		s.logins, took.Round(time.Second), s.built.Round(time.Second), s.waited.Round(time.Second))))
	for _, fact := range []string{
		"the machine was not let in before two people had signed, and the asker's own yes does not count",
		"the plan showed each change before it was made: approved -> active, expired -> revoked",
		"one access ended on time by itself, and is revoked; the other one was revoked with an hour left",
		"whoever kept a certificate is refused, and the record of who approved what checks out",
	} {
		s.line("  - %s", fact)
	}
}

// terraform runs the CLI, which must end with that exit code.
func (s *story) terraform(ctx context.Context, code int, args ...string) (answered, error) {
	s.command(append([]string{s.place.name()}, args...)...)
	flags := []string{"-no-color", "-input=false"}
	switch args[0] {
	case "plan":
		flags = append(flags, "-detailed-exitcode")
	case "apply", "destroy":
		flags = append(flags, "-auto-approve")
	}
	return expect(code)(s.place.run(ctx, s.place.cli, append(args, flags...)...))
}

// nhi runs the tool, which must end with that exit code.
func (s *story) nhi(ctx context.Context, code int, args ...string) (answered, error) {
	s.command(append([]string{"nhi"}, args...)...)
	return expect(code)(s.place.run(ctx, s.place.binary(), args...))
}

// expect makes another exit code an error.
func expect(code int) func(answered, error) (answered, error) {
	return func(done answered, err error) (answered, error) {
		if err == nil && done.code != code {
			err = fmt.Errorf("`%s` ended with exit code %d instead of %d:\n%s", done.command, done.code, code, done.text)
		}
		return done, err
	}
}

// applied runs a command of the CLI in which the provider itself must ask the
// server, and quotes the lines of its answer that hold one of the texts.
func (s *story) applied(ctx context.Context, command string, texts ...string) error {
	before := s.server.probed()
	done, err := s.terraform(ctx, 0, command)
	if err != nil {
		return err
	}
	s.quote(excerpt(done.text, texts...))
	asked := s.server.probed() - before
	if asked == 0 {
		return fmt.Errorf("`%s` did not ask the server:\n%s", done.command, done.text)
	}
	s.proof("the provider has asked the server itself (certificates shown: %d)", asked)
	return nil
}

// shows quotes what a plan does to a resource: the attributes that are named.
func (s *story) shows(plan answered, address string, names ...string) error {
	block := change(plan.text, address)
	if len(block) == 0 {
		return fmt.Errorf("`%s` does not change %s:\n%s", plan.command, address, plan.text)
	}
	s.quote(attributes(block, names...))
	return nil
}

// changes holds where a plan does all of that to a resource.
func changes(plan answered, address string, texts ...string) error {
	return answered{command: plan.command, text: strings.Join(change(plan.text, address), "\n")}.says(texts...)
}

// users are whom the two keys log in as.
var users = map[string]string{"etl": "deploy", "repair": "repair"}

// door tries to log in with a key and says how that ended; it is an error
// where it was not refused for exactly these reasons (none: let in).
func (s *story) door(ctx context.Context, key string, reasons ...string) error {
	user := users[key]
	made, err := s.login(ctx, key, user)
	if err != nil {
		return err
	}
	if !made.is(reasons...) {
		return fmt.Errorf("%s; expected: %s", made.told(key, user), attempt{reasons: reasons}.told(key, user))
	}
	s.proof("%s", made.told(key, user))
	return nil
}
