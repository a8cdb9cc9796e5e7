package provider_test

import (
	"os"
	"path/filepath"
	"testing"
)

// storeServers makes a world for each kind of store.
var storeServers = map[string]func(testing.TB) storeServer{
	"local": func(t testing.TB) storeServer {
		w := newWorld(t)
		here, away := filepath.Join(w.Dir, ".nhi"), filepath.Join(w.Dir, "away")
		return storeServer{w, func() { must(t, os.Rename(here, away)) }, func() { must(t, os.Rename(away, here)) }}
	},
}
