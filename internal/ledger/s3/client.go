package s3

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/transport"
)

// Bounds of what one store does.
const (
	maxAnswer     = 8 << 20 // bytes: an entry, or a list of a thousand of the longest names
	maxHeaders    = 64 << 10
	maxConns      = 32 // connections at a time
	dialTimeout   = 10 * time.Second
	answerTimeout = 20 * time.Second // until an answer begins
	callTimeout   = time.Minute      // of one call, with all that is tried again
	maxTries      = 6
	maxBackoff    = 2 * time.Second
)

// The refusals that mean: another request on this key is under way.
const (
	codeConflict = "ConditionalRequestConflict"
	codeAborted  = "OperationAborted"
)

// newHTTPClient returns a client that stays with the host it was told: it
// follows no redirect, for credentials go along, and takes no proxy from the
// environment. Answers are bounded.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: transport.Bounded{Most: transport.Always(maxAnswer), Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: dialTimeout,
			DialContext:     (&net.Dialer{Timeout: dialTimeout}).DialContext,
			MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: 30 * time.Second,
			ResponseHeaderTimeout: answerTimeout, MaxResponseHeaderBytes: maxHeaders, DisableCompression: true,
		}},
		CheckRedirect: transport.NoRedirect,
	}
}

// newClient returns a client for the place. Its options are written out, and
// not loaded: nothing in the environment decides where it goes.
func newClient(p place, keys aws.CredentialsProvider, over *http.Client) *sdk.Client {
	options := sdk.Options{
		Region: p.region, UsePathStyle: p.pathStyle, Credentials: keys, HTTPClient: over, Retryer: newRetryer(),
		DisableMultiRegionAccessPoints: true, DisableS3ExpressSessionAuth: aws.Bool(true),
		// Bytes that are not what was written are for the ledger to find, which
		// names the entry. Each put has a checksum of ours.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		// Without the wait for leave to send a long body: not every vendor gives it.
		ContinueHeaderThresholdBytes: -1,
	}
	if p.endpoint != "" {
		options.BaseEndpoint = aws.String(p.endpoint)
	}
	return sdk.New(options)
}

// newRetryer tries again what may have failed on the way, and what met another
// writer. Create knows its own first try when it meets it.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = maxTries, maxBackoff, ratelimit.None
		o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{codeConflict: {}, codeAborted: {}}})
	})
}

// credentialsOf returns the access key of the settings, or else whatever the
// environment, a profile, a web identity or the machine gives. Nothing is
// fetched yet.
func credentialsOf(ctx context.Context, p place, settings setting.Settings) (*remembered, error) {
	if id := settings.Values.Text(settingAccessKeyID); id != "" {
		secret, token := settings.Secrets[settingSecretKey], settings.Secrets[settingSessionToken]
		return &remembered{keys: credentials.NewStaticCredentialsProvider(id, secret.Reveal(), token.Reveal())}, nil
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(p.region))
	if err != nil {
		return nil, fmt.Errorf("s3: the environment or the profile that credentials come from cannot be read: %w: %s", nhi.ErrInvalid, line(err.Error()))
	}
	return &remembered{keys: loaded.Credentials}, nil
}

// remembered are credentials that know what they gave out last, so that it can
// be taken out of errors.
type remembered struct {
	keys aws.CredentialsProvider
	last atomic.Pointer[aws.Credentials]
}

// Retrieve implements aws.CredentialsProvider.
func (r *remembered) Retrieve(ctx context.Context) (aws.Credentials, error) {
	keys, err := r.keys.Retrieve(ctx)
	if err == nil {
		r.last.Store(&keys)
	}
	return keys, err
}
