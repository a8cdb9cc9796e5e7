package testserver

import "github.com/hashicorp/vault/api"

// Login makes a user of Vault, logs in, and returns the token and the entity
// that it is of.
func (s *VaultServer) Login(user string) (token, entity string) {
	s.t.Helper()
	mount := s.Prefix() + "userpass"
	root := s.Client("")
	mounts, err := root.Sys().ListAuth()
	s.must(err)
	if mounts[mount+"/"] == nil {
		s.must(root.Sys().EnableAuthWithOptions(mount, &api.EnableAuthOptions{Type: "userpass"}))
	}
	const password = "only-for-this-test"
	_, err = root.Logical().Write("auth/"+mount+"/users/"+user, map[string]any{"password": password, "token_policies": "default"})
	s.must(err)
	answer, err := s.Client("none").Logical().Write("auth/"+mount+"/login/"+user, map[string]any{"password": password})
	s.must(err)
	return answer.Auth.ClientToken, answer.Auth.EntityID
}

func (s *VaultServer) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("Vault: %v", err)
	}
}
