package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// FuzzRequestFile reads what came from another machine: what is taken is
// written again as the same bytes, and its excerpt is read as any ledger is.
func FuzzRequestFile(f *testing.F) {
	good, err := os.ReadFile(filepath.Join("testdata", "format", "1.request"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"seq"`), []byte(`"Seq"`), 1))
	now := func() time.Time { return time.Date(2030, 1, 8, 9, 0, 0, 0, time.UTC) }
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseRequestFile("x.request", data)
		if err != nil {
			if !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("%v is no ErrInvalid", err)
			}
			return
		}
		if again, err := file.encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("read %q and wrote %q, %v", data, again, err)
		}
		book, err := file.excerpt(context.Background(), now, "test")
		if err == nil && book.ID() != file.Ledger {
			t.Errorf("the excerpt is of ledger %s, and the file of %s", book.ID(), file.Ledger)
		}
	})
}

// FuzzPlan reads any plan, which is somebody else's: whatever it is, it is refused or read, and what is
// read of it is canonical.
func FuzzPlan(f *testing.F) {
	f.Add([]byte(`{"format_version":"1.2","resource_changes":[{"address":"nhi_approval.x","mode":"managed","type":"nhi_approval","provider_name":"x/nhi-terraform/nhi","change":{"after":{"justification":"x","ticket":{"text":"nhi request 1\n"}}}}]}`))
	f.Add([]byte(`{"format_version":"1.2","errored":true}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := &app{Options: Options{In: bytes.NewReader(data)}.filled()}
		requests, err := a.readPlan(toStdout)
		if err != nil && exitCode(err) != ExitUsage {
			t.Errorf("%v is no bad input", err)
		}
		for _, one := range requests {
			if _, err := nhi.ParseRequest(one.wish.Text); one.problem == nil && (err != nil || one.id == "") {
				t.Errorf("%q was read as %q: %v", data, one.wish.Text, err)
			}
		}
	})
}

// FuzzConfig reads any nhi.hcl: it is understood, or it is nhi.ErrInvalid.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("environment = \"production\"\nscope = \"payments/etl\"\nledger = { local = { path = \".nhi\" } }\npolicy_file = \"policy.hcl\"\n"))
	f.Add([]byte("systems = {\n  orders  = { postgres = { url = env(\"NHI_FUZZ\") } }\n  bastion = { ssh = { ca_key_file = \"ca\", krl_file = \"krl\", probe = [\"a:22\"] } }\n}\n"))
	f.Add([]byte("requester = { ssh_key_file = \"~/.ssh/id_ed25519\" }\nread_only = true\nx = [[[{a = \"${b}\"}]]]"))
	a := &app{Options: Options{}.filled()}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > maxConfig {
			return // no file is read that long
		}
		if _, err := a.parseConfig("nhi.hcl", src); err != nil && !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%v is no ErrInvalid", err)
		}
	})
}
