package testserver_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// throughS3 returns a client that goes where what is under test goes, and tries
// once.
func throughS3(server *testserver.S3Server, accessKey, secretKey string) *s3.Client {
	return s3.New(s3.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.Endpoint()), UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

// s3Code is the code of the server's refusal, "" where there was none.
func s3Code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return ""
}

func putS3(t *testing.T, client *s3.Client, bucket, key string) error {
	t.Helper()
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader("text"), IfNoneMatch: aws.String("*"),
	})
	return err
}

// keysS3 asks the server itself.
func keysS3(t *testing.T, server *testserver.S3Server, bucket string) string {
	t.Helper()
	page, err := server.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{}
	for _, object := range page.Contents {
		keys = append(keys, aws.ToString(object.Key))
	}
	return strings.Join(keys, " ")
}

// TestS3Faults: refused requests do not reach the server, lost ones do, and a
// user may do nothing.
func TestS3Faults(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	bucket := server.Bucket()
	client := throughS3(server, server.AccessKey(), server.SecretKey())
	put := func(key string) error { return putS3(t, client, bucket, key) }

	server.Cut()
	if err := put("cut"); err == nil || s3Code(err) != "" {
		t.Errorf("cut off: %v", err)
	}
	server.Restore()
	if err := put("restored"); err != nil {
		t.Errorf("restored: %v", err)
	}
	server.Fault(func(r *http.Request) testserver.Fault {
		if strings.HasSuffix(r.URL.Path, "/lost") {
			return testserver.Lose
		}
		return testserver.Pass
	})
	if err := put("lost"); err == nil || s3Code(err) != "" {
		t.Errorf("a lost answer: %v", err)
	}
	server.Answer(func(r *http.Request) http.Handler {
		if strings.HasSuffix(r.URL.Path, "/answered") {
			return http.NotFoundHandler()
		}
		return nil
	})
	if err := put("answered"); err == nil {
		t.Error("an answer of the test's own was not given")
	}
	if err := put("lost"); s3Code(err) != "PreconditionFailed" {
		t.Errorf("once more: %v", err)
	}
	if got := keysS3(t, server, bucket); got != "lost restored" {
		t.Errorf("the server holds %q", got)
	}
	access, secret := server.User()
	if err := putS3(t, throughS3(server, access, secret), bucket, "user"); s3Code(err) != "AccessDenied" {
		t.Errorf("a user: %v", err)
	}
}

func TestPrivateS3IsStopped(t *testing.T) {
	t.Parallel()
	server := testserver.PrivateS3(t)
	bucket := server.Bucket()
	client := throughS3(server, server.AccessKey(), server.SecretKey())
	if err := putS3(t, client, bucket, "first"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"second", "third"} {
		server.Stop()
		if err := putS3(t, client, bucket, "down"); err == nil {
			t.Error("it answers while it is down")
		}
		server.Start()
		if err := putS3(t, client, bucket, key); err != nil {
			t.Error(err)
		}
	}
	if got := keysS3(t, server, bucket); got != "first second third" {
		t.Errorf("the server holds %q", got)
	}
}

func TestS3Child(t *testing.T) {
	file := childFile()
	if file == "" {
		return // this is the other half of TestS3EndsWithAKilledTest
	}
	server := testserver.S3(t)
	address, err := url.Parse(server.Direct())
	if err != nil {
		t.Fatal(err)
	}
	waitForTheEnd(t, file, address.Host, server.Folder())
}

func TestS3EndsWithAKilledTest(t *testing.T) {
	t.Parallel()
	testserver.S3(t) // skips where there is none
	endsWithAKilledTest(t, "TestS3Child")
}
