package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/transport"
)

// writerKey is the metadata of an object that says which call made it.
const writerKey = "nhi-writer"

// Store is a ledger.Store in one folder of one bucket.
type Store struct {
	place    place
	keys     *remembered
	client   *sdk.Client
	http     *http.Client
	maxPages int
	// proving is held by the goroutine that finds out what the server does; it
	// guards proven.
	proving chan struct{}
	proven  bool
}

var _ ledger.Store = (*Store)(nil)

func newStore(at place, keys *remembered) *Store {
	over := newHTTPClient()
	return &Store{
		place: at, keys: keys, http: over, client: newClient(at, keys, over), maxPages: maxPages, proving: make(chan struct{}, 1),
	}
}

// Create implements ledger.Store. S3 has stored the object on several devices
// before it answers.
//
// A put whose answer is lost is tried again, and then meets its own object. So
// each call has a random name that goes with the object: whose it is tells the
// one who made it from all others, also from one who wrote the same bytes.
func (s *Store) Create(ctx context.Context, key string, value []byte) error {
	name, err := s.place.objectName(key)
	if err != nil {
		return err
	}
	if len(value) > ledger.MaxEntry {
		return fmt.Errorf("s3: a value of %d bytes, and %d is the most allowed", len(value), ledger.MaxEntry)
	}
	if err := s.prove(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	writer := rand.Text()
	err = s.put(ctx, name, value, writer)
	switch {
	case err == nil:
		return nil
	case says(err, http.StatusPreconditionFailed, codePrecondition), errors.Is(err, errNotS3):
		return s.settle(ctx, name, writer)
	}
	return s.explain(ctx, "create "+name, err)
}

// errNotS3 is an answer that looks like a yes and is none of S3's.
var errNotS3 = errors.New("that is no answer of S3")

// put asks the server to make an object that is not there yet.
func (s *Store) put(ctx context.Context, name string, value []byte, writer string) error {
	sum := sha256.Sum256(value)
	out, err := s.client.PutObject(ctx, &sdk.PutObjectInput{
		Bucket: aws.String(s.place.bucket), Key: aws.String(name), Body: bytes.NewReader(value), ContentLength: aws.Int64(int64(len(value))),
		IfNoneMatch: aws.String("*"), Metadata: map[string]string{writerKey: writer},
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])), ContentType: aws.String("application/octet-stream"),
	})
	if err == nil && aws.ToString(out.ETag) == "" {
		return errNotS3
	}
	return err
}

// settle finds out whose the object is that a put met: nil where it is ours.
// One that says nothing was brought here by other means.
func (s *Store) settle(ctx context.Context, name, writer string) error {
	found, err := s.writer(ctx, name)
	switch {
	case err != nil:
		return s.explain(ctx, "create "+name+", and look whose it is", err)
	case found == writer:
		return nil
	}
	return ledger.ErrExists
}

// writer returns which call made an object; empty where it does not say.
func (s *Store) writer(ctx context.Context, name string) (string, error) {
	out, err := s.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String(s.place.bucket), Key: aws.String(name)})
	if err != nil {
		return "", err
	}
	if aws.ToString(out.ETag) == "" {
		return "", errNotS3
	}
	return out.Metadata[writerKey], nil
}

// Get implements ledger.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	name, err := s.place.objectName(key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := s.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String(s.place.bucket), Key: aws.String(name)})
	if says(err, http.StatusNotFound, codeNoSuchKey) {
		return nil, ledger.ErrNotFound
	}
	if err != nil {
		return nil, s.explain(ctx, "get "+name, err)
	}
	defer func() { _ = out.Body.Close() }()
	if aws.ToString(out.ETag) == "" {
		return nil, s.fault("get "+name, errNotS3.Error())
	}
	value, err := io.ReadAll(io.LimitReader(out.Body, ledger.MaxEntry+1))
	switch {
	case err != nil:
		return nil, s.explain(ctx, "get "+name, err)
	case len(value) > ledger.MaxEntry:
		return nil, s.fault("get "+name, transport.ErrTooLong.Error())
	}
	return value, nil
}

// Now implements ledger.Store: the server's own time, in whole seconds, from its
// answer to a request that is made for this. An answer of a cache is none.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := s.client.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: aws.String(s.place.bucket)})
	if err != nil {
		return time.Time{}, s.explain(ctx, "time", err)
	}
	now, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	answer, _ := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	if !ok || answer == nil || answer.Header.Get("Age") != "" {
		return time.Time{}, s.fault("time", "the server did not tell its time")
	}
	return now, nil
}

// Close implements ledger.Store.
func (s *Store) Close() error {
	s.http.CloseIdleConnections()
	return nil
}
