package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/transport"
)

// The codes of S3 that this package acts on.
const (
	codeNoSuchBucket = "NoSuchBucket"
	codeNoSuchKey    = "NoSuchKey"
	codePrecondition = "PreconditionFailed"
)

// refusal is an answer that is no yes. It shows of the server's words only what
// cannot be a secret, a forged line or a flood.
type refusal struct {
	where, what string
	status      int
	code        string // of S3, or empty where it was no answer of S3's
	request     string // the server's own id of the request
	region      string // where the server says that the bucket is
}

// hints say what to do about a code.
var hints = map[string]string{
	"AccessDenied":                 "the policy of the bucket or of these credentials does not allow it",
	"AuthorizationHeaderMalformed": "the region may be another one",
	"ExpiredToken":                 "the credentials have ended",
	"InvalidAccessKeyId":           "the server does not know this access key",
	"InvalidToken":                 "the session token is not valid",
	codeNoSuchBucket:               "the bucket is missing",
	"RequestTimeTooSkewed":         "the clock of this machine is wrong",
	"SignatureDoesNotMatch":        "the secret of the access key is another one",
	"SlowDown":                     "the server has too much to do",
}

// Error implements error.
func (r *refusal) Error() string {
	text := fmt.Sprintf("s3: %s: %s: the server answered %d", r.where, r.what, r.status)
	if r.code != "" {
		text += " " + r.code
	}
	if r.request != "" {
		text += " (request " + r.request + ")"
	}
	switch hint := hints[r.code]; {
	case r.region != "":
		text += ": it says that the bucket is in " + r.region
	case hint != "":
		text += ": " + hint
	case r.status >= http.StatusMultipleChoices && r.status < http.StatusBadRequest:
		text += ": redirects are not followed: set the region and the endpoint of the bucket"
	}
	return text
}

var (
	plainCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,47}$`)
	plainID   = regexp.MustCompile(`^[A-Za-z0-9+/=._-]{1,80}$`)
)

// codeOf returns S3's code, or "" where the error is no refusal of S3's.
func codeOf(err error) string {
	var answered smithy.APIError
	if !errors.As(err, &answered) || !plainCode.MatchString(answered.ErrorCode()) {
		return ""
	}
	return answered.ErrorCode()
}

// statusOf returns the status of an answer, or 0 where there was none.
func statusOf(err error) int {
	var answered *awshttp.ResponseError
	if !errors.As(err, &answered) || answered.Response == nil || answered.Response.Response == nil {
		return 0
	}
	return answered.HTTPStatusCode()
}

// says holds that S3 refused with this status and this code: a proxy's 404, or
// a body that belongs to another status, is not S3's word.
func says(err error, status int, code string) bool {
	return statusOf(err) == status && codeOf(err) == code
}

// explain turns an error of the SDK into one that says what to do, and that
// holds nothing of what was sent. Of what it wraps, only the end of ctx stays.
func (s *Store) explain(ctx context.Context, what string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("s3: %s: %s: %w", s.place, what, cause)
	}
	if status := statusOf(err); status != 0 && (status < http.StatusOK || status >= http.StatusMultipleChoices) {
		return s.refused(what, status, err)
	}
	reason := err
	var inner *url.Error
	var garbled *smithy.DeserializationError
	switch {
	case errors.Is(err, transport.ErrTooLong):
		reason = transport.ErrTooLong
	case errors.As(err, &inner):
		reason = inner.Err
	case errors.As(err, &garbled):
		reason = errors.New("that is no answer of S3")
	}
	return s.fault(what, reason.Error())
}

// fault is an answer that cannot be believed, or none.
func (s *Store) fault(what, reason string) error {
	return fmt.Errorf("s3: %s: %s: %s", s.place, what, s.redact(line(reason)))
}

func (s *Store) refused(what string, status int, err error) error {
	answer := &refusal{where: s.place.String(), what: what, status: status, code: s.redact(codeOf(err))}
	var answered *awshttp.ResponseError
	if errors.As(err, &answered) {
		if id := answered.ServiceRequestID(); plainID.MatchString(id) {
			answer.request = s.redact(id)
		}
		region := answered.Response.Header.Get("X-Amz-Bucket-Region")
		if regionName.MatchString(region) && region != s.place.region {
			answer.region = s.redact(region)
		}
	}
	if status == http.StatusNotFound && answer.code == codeNoSuchBucket {
		return fmt.Errorf("%w: %w", answer, errNoBucket)
	}
	return answer
}

// errNoBucket is S3's own word that there is no such bucket.
var errNoBucket = errors.New("there is no such bucket")

// redact takes the credentials that were sent out of a text.
func (s *Store) redact(text string) string {
	keys := s.keys.last.Load()
	if keys == nil {
		return text
	}
	for _, secret := range []string{keys.SecretAccessKey, keys.SessionToken} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// line writes text from outside on one line that is not too long.
func line(text string) string {
	const longest = 300
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}
