package channel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

type asked func(context.Context, channel.Question) (channel.Yes, error)

func (a asked) Ask(ctx context.Context, q channel.Question) (channel.Yes, error) { return a(ctx, q) }

func openOf(t *testing.T, inner asked) *channel.Open {
	t.Helper()
	open, errs := channel.NewOpen(channel.Kind{
		Name: "hall", Settings: []setting.Field{{Name: "token", Secret: true}},
		Host: func(setting.Settings) (string, error) { return "hall.example.com", nil },
		Open: func(setting.Settings, channel.Options) (channel.Channel, error) { return inner, nil },
	}, nhi.Values{"token": nhi.Text("s3cret-token")}, channel.Options{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return open.Within(200 * time.Millisecond)
}

func yes() channel.Yes {
	return channel.Yes{Account: channel.Account{ID: "u1", Name: "ana"}, Run: "r1", URL: "https://hall.example.com/r1", At: time.Now()}
}

// Whatever a channel does, what comes of it is a complete yes or nobody's.
func TestTheGuardAroundAChannel(t *testing.T) {
	t.Parallel()
	with := func(change func(*channel.Yes)) asked {
		return func(context.Context, channel.Question) (channel.Yes, error) {
			said := yes()
			change(&said)
			return said, nil
		}
	}
	got, err := openOf(t, with(func(y *channel.Yes) {
		y.Account.Host = "elsewhere.example.com"
		y.Others = []channel.Other{{Account: channel.Account{ID: "u2", Name: "rae"}, Role: "asked"}}
	})).Ask(context.Background(), channel.Question{})
	if err != nil || got.Account.Host != "hall.example.com" || got.Others[0].Account.Host != "hall.example.com" {
		t.Errorf("%+v %v", got, err)
	}
	for name, inner := range map[string]asked{
		"no account":     with(func(y *channel.Yes) { y.Account.ID = "" }),
		"no name":        with(func(y *channel.Yes) { y.Account.Name = "" }),
		"no run":         with(func(y *channel.Yes) { y.Run = "" }),
		"no time":        with(func(y *channel.Yes) { y.At = time.Time{} }),
		"two lines":      with(func(y *channel.Yes) { y.Account.ID = "u1\nu2" }),
		"hidden letters": with(func(y *channel.Yes) { y.Account.ID = "u1\u202e" }),
		"a long text":    with(func(y *channel.Yes) { y.URL = strings.Repeat("x", 100_000) }),
		"a crowd":        with(func(y *channel.Yes) { y.Others = make([]channel.Other, 1000) }),
		"panic":          func(context.Context, channel.Question) (channel.Yes, error) { panic("s3cret-token") },
		"silence": func(ctx context.Context, _ channel.Question) (channel.Yes, error) {
			<-ctx.Done()
			return yes(), nil
		},
		"deafness": func(context.Context, channel.Question) (channel.Yes, error) { select {} },
		"a secret": func(context.Context, channel.Question) (channel.Yes, error) {
			return yes(), fmt.Errorf("401 for Bearer s3cret-token\x1b[2J%s", strings.Repeat("x", 10_000))
		},
	} {
		said, err := openOf(t, inner).Ask(context.Background(), channel.Question{})
		if !errors.Is(err, channel.ErrNobody) || said.Account.ID != "" {
			t.Errorf("%s: %+v %v", name, said, err)
		}
		if text := fmt.Sprint(err); strings.Contains(text, "s3cret") || strings.Contains(text, "\x1b") || len(text) > 2000 {
			t.Errorf("%s: %.3000q", name, text)
		}
	}
}
