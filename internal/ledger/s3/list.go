package s3

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// pageSize is the most names that S3 gives at once.
	pageSize = 1000
	// maxPages bounds one list: five million entries.
	maxPages = 5000
	// listTimeout bounds all pages of one list together.
	listTimeout = 15 * time.Minute
)

// List implements ledger.Store. It reads the names that start with the prefix,
// and no others.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	what := fmt.Sprintf("list %.200q", prefix)
	found, token := names{seen: map[string]bool{}}, (*string)(nil)
	for range s.maxPages {
		page, err := s.page(ctx, s.place.prefix+escape(prefix), token)
		if err == nil {
			err = found.add(page)
		}
		if err != nil {
			return nil, s.explain(ctx, what, err)
		}
		if !aws.ToBool(page.IsTruncated) {
			return s.keysOf(found.names, prefix), nil
		}
		next := page.NextContinuationToken
		if aws.ToString(next) == "" || token != nil && *next == *token {
			return nil, s.fault(what, "the list does not go on and does not end")
		}
		token = next
	}
	return nil, s.fault(what, fmt.Sprintf("the list has more than %d pages", s.maxPages))
}

// page returns one page of names, checked to be what was asked for.
func (s *Store) page(ctx context.Context, prefix string, token *string) (*sdk.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	page, err := s.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{
		Bucket: aws.String(s.place.bucket), Prefix: aws.String(prefix), ContinuationToken: token,
		MaxKeys: aws.Int32(pageSize), EncodingType: types.EncodingTypeUrl,
	})
	if err != nil {
		return nil, err
	}
	return page, checkPage(page, s.place.bucket, prefix)
}

// checkPage holds that an answer is the list that was asked for. To the SDK, an
// answer without a body is a list of nothing, and nothing must not be taken for
// an empty ledger.
func checkPage(page *sdk.ListObjectsV2Output, bucket, prefix string) error {
	if aws.ToString(page.Name) != bucket || page.IsTruncated == nil || plain(page, page.Prefix) != prefix {
		return fmt.Errorf("the list is not the one that was asked for: %w", errNotS3)
	}
	for _, object := range page.Contents {
		if !strings.HasPrefix(plain(page, object.Key), prefix) {
			return fmt.Errorf("the list holds what was not asked for: %w", errNotS3)
		}
	}
	return nil
}

// plain returns a name as it is. It travels encoded, so that a name with a
// control character does not make a list that cannot be read.
func plain(page *sdk.ListObjectsV2Output, name *string) string {
	if page.EncodingType == types.EncodingTypeUrl {
		if decoded, err := url.QueryUnescape(aws.ToString(name)); err == nil {
			return decoded
		}
	}
	return aws.ToString(name)
}

// names are those of the pages so far.
type names struct {
	names []string
	seen  map[string]bool
}

func (n *names) add(page *sdk.ListObjectsV2Output) error {
	for _, object := range page.Contents {
		name := plain(page, object.Key)
		if n.seen[name] {
			return fmt.Errorf("the list holds a name twice: %w", errNotS3)
		}
		n.seen[name] = true
		n.names = append(n.names, name)
	}
	return nil
}

// keysOf returns the keys of names, in order: that of names is another one.
func (s *Store) keysOf(names []string, prefix string) []string {
	keys := make([]string, 0, len(names))
	for _, name := range names {
		if key, ok := s.place.keyOf(name, prefix); ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
