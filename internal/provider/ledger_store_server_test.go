package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// storeServers makes a world for each kind of store.
var storeServers = map[string]func(testing.TB) storeServer{
	"local": func(t testing.TB) storeServer {
		w := newWorld(t)
		here, away := filepath.Join(w.Dir, ".nhi"), filepath.Join(w.Dir, "away")
		return storeServer{w, func() { must(t, os.Rename(here, away)) }, func() { must(t, os.Rename(away, here)) }}
	},
	"s3": func(t testing.TB) storeServer {
		server := testserver.S3(t)
		return storeServer{newWorldOn(t, func(*world) (string, nhi.Values, string) {
			return onStore("s3", map[string]string{
				"bucket": server.Bucket(), "prefix": "nhi", "endpoint": server.Endpoint(), "region": server.Region(),
				"path_style": "true", "access_key_id": server.AccessKey(), "secret_access_key": server.SecretKey(),
			})
		}), server.Cut, server.Restore}
	},
	"postgres": func(t testing.TB) storeServer {
		server := testserver.PrivatePostgres(t)
		return storeServer{newWorldOn(t, func(*world) (string, nhi.Values, string) {
			return onStore("postgres", map[string]string{"url": server.URL("")})
		}), server.Stop, server.Start}
	},
	"vault": func(t testing.TB) storeServer {
		server := testserver.Vault(t)
		return storeServer{newWorldOn(t, func(*world) (string, nhi.Values, string) {
			return onStore("vault", map[string]string{"address": server.Address(), "path": server.Prefix() + "ledger", "token": server.Token()})
		}), server.Cut, server.Restore}
	},
}

// onStore is the place of a ledger of this kind for newWorldOn.
func onStore(kind string, settings map[string]string) (string, nhi.Values, string) {
	values, block := nhi.Values{}, ""
	for name, text := range settings {
		values[name] = nhi.Text(text)
		block += fmt.Sprintf("    %s = %q\n", name, text)
	}
	return kind, values, fmt.Sprintf("{ %s = {\n%s  } }", kind, block)
}
