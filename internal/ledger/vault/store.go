package vault

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// piece is how many bytes of a value make one text: Vault refuses a text of
// over 1 MiB (max_json_string_value_length) in a request.
const piece = 384 << 10

// maxAnswer bounds the answer that holds one entry, with room for what is
// around it.
const maxAnswer = ledger.MaxEntry/3*4 + 64<<10

// Store is a ledger.Store in one folder of a KV version 2 mount.
type Store struct {
	vault    *vaulthttp.Client
	place    place
	patience time.Duration // bounds one request
}

var _ ledger.Store = (*Store)(nil)

// metadata is what Vault says about a version of a secret.
type metadata struct {
	Version   int    `json:"version"`
	Deleted   string `json:"deletion_time"`
	Destroyed bool   `json:"destroyed"`
}

// Create implements ledger.Store. It is sent once: when the answer is lost, the
// entry may or may not be there, and that is no success.
func (s *Store) Create(ctx context.Context, key string, value []byte) error {
	if key == "" {
		return s.failed("create", errors.New("a key must not be empty"))
	}
	if len(value) > ledger.MaxEntry {
		return s.failed("create", fmt.Errorf("a value of %d bytes, and %d is the most allowed", len(value), ledger.MaxEntry))
	}
	path, body := s.place.data(key), map[string]any{"options": map[string]int{"cas": 0}, "data": map[string]any{"value": pieces(value)}}
	bounded, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	answer, err := s.vault.Write(bounded, path, body)
	switch {
	case vaulthttp.Refused(err, http.StatusBadRequest, "check-and-set parameter did not match"):
		return ledger.ErrExists
	case vaulthttp.Refused(err, http.StatusForbidden, "permission denied"):
		return s.whyForbidden(ctx, key, err)
	case vaulthttp.Refused(err, http.StatusRequestEntityTooLarge, ""), vaulthttp.Refused(err, http.StatusInternalServerError, "too large"):
		return s.failed("create", fmt.Errorf("no entry of %d bytes is taken by Vault, or by its storage (max_request_size, max_entry_size): %w", len(value), err))
	case err != nil:
		return s.failed("create", err)
	}
	var made metadata
	if err := vaulthttp.Decode(path, answer, &made); err != nil {
		return s.failed("create", err)
	}
	if made.Version != 1 || made.Destroyed {
		return s.failed("create", vaulthttp.Garbage(path, fmt.Sprintf("version %d was made of what should be new", made.Version)))
	}
	if made.Deleted != "" {
		return s.failed("create", fmt.Errorf("the mount deletes what it holds at %.40q (delete_version_after), so it can hold no ledger", made.Deleted))
	}
	return nil
}

// whyForbidden tells an entry that exists, whose second write would be an
// update, from a token that may not create. An entry that somebody deleted
// exists, too: Vault keeps its number, so it is not made again.
func (s *Store) whyForbidden(ctx context.Context, key string, refusal error) error {
	_, err := s.version(ctx, key)
	if err == nil || errors.Is(err, errDeleted) {
		return ledger.ErrExists
	}
	return s.failed("create", refusal)
}

// errDeleted says that there was such an entry, and somebody deleted it.
var errDeleted = fmt.Errorf("it was deleted in Vault: %w", ledger.ErrNotFound)

// Get implements ledger.Store. It reads the first version alone: what somebody
// wrote over it counts for nothing.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := s.version(ctx, key)
	switch {
	case err == nil:
		return value, nil
	case errors.Is(err, ledger.ErrNotFound):
		return nil, err
	default:
		return nil, s.failed("get", err)
	}
}

func (s *Store) version(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	path := s.place.data(key)
	answer, err := s.vault.Do(ctx, vaulthttp.Call{
		Method: http.MethodGet, Path: path, Params: url.Values{"version": {"1"}}, Most: maxAnswer,
	})
	var found struct {
		Data *struct {
			Value []string `json:"value"`
		} `json:"data"`
		Metadata metadata `json:"metadata"`
	}
	switch {
	case errors.Is(err, vaulthttp.ErrAbsent):
		return nil, ledger.ErrNotFound
	case vaulthttp.RefusedWith(err, http.StatusNotFound, &found):
		if found.Data == nil && found.Metadata.Version == 1 && (found.Metadata.Deleted != "" || found.Metadata.Destroyed) {
			return nil, errDeleted
		}
		return nil, err
	case err != nil:
		return nil, err
	}
	if err := vaulthttp.Decode(path, answer, &found); err != nil {
		return nil, err
	}
	if found.Data == nil || found.Metadata.Version != 1 {
		return nil, vaulthttp.Garbage(path, "another version than the first")
	}
	value, err := joined(found.Data.Value)
	if err != nil {
		return nil, vaulthttp.Garbage(path, "a secret that is no entry of a ledger")
	}
	return value, nil
}

// pieces writes a value as texts.
func pieces(value []byte) []string {
	texts := []string{}
	for len(value) > 0 {
		n := min(piece, len(value))
		texts = append(texts, base64.StdEncoding.EncodeToString(value[:n]))
		value = value[n:]
	}
	return texts
}

// joined is the reverse of pieces.
func joined(texts []string) ([]byte, error) {
	value := []byte{}
	for _, text := range texts {
		part, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, err
		}
		value = append(value, part...)
	}
	return value, nil
}

// Now implements ledger.Store: the time of the server, in whole seconds.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	now, err := s.vault.Time(ctx)
	if err != nil {
		return time.Time{}, s.failed("time", err)
	}
	return now, nil
}

// Close implements ledger.Store.
func (s *Store) Close() error {
	s.vault.Close()
	return nil
}

// failed says where and what.
func (s *Store) failed(doing string, err error) error {
	return fmt.Errorf("vault: %s: %s: %w", s.place, doing, err)
}
