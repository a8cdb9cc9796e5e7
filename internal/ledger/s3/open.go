package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// open asks for the bucket, and with Create also finds out whether it can hold
// a ledger. It makes no bucket: how one is set up is what makes it append-only,
// and that is for whoever owns the account. See Guard.
func open(ctx context.Context, settings setting.Settings, options ledger.OpenOptions) (ledger.Store, error) {
	at, err := parsePlace(settings)
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	if err := checkKeys(settings); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	keys, err := credentialsOf(ctx, at, settings)
	if err != nil {
		return nil, err
	}
	store := newStore(at, keys)
	if err = store.look(ctx); err == nil && options.Create {
		err = store.prove(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// look asks for one name, which needs the rights that every reader needs. It is
// one of the root's chain: some servers read all that is below a prefix.
func (s *Store) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	below := s.place.prefix + escape(ledger.RootChain+"/")
	page, err := s.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{
		Bucket: aws.String(s.place.bucket), Prefix: aws.String(below), MaxKeys: aws.Int32(1),
	})
	if err == nil {
		err = checkPage(page, s.place.bucket, below)
	}
	if err == nil {
		return nil
	}
	err = s.explain(ctx, "open", err)
	if errors.Is(err, errNoBucket) {
		return fmt.Errorf("%w: %w: make the bucket as the guide says, and then the ledger with `nhi init`", err, ledger.ErrNoLedger)
	}
	return err
}
