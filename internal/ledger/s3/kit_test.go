package s3_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/s3"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// settingsOf returns settings as the provider hands them over. An empty text
// leaves a setting out.
func settingsOf(t testing.TB, texts map[string]string) setting.Settings {
	t.Helper()
	values := nhi.Values{}
	for name, text := range texts {
		if text != "" {
			values[name] = nhi.Text(text)
		}
	}
	complete, errs := setting.Complete(s3.Kind().Settings, values)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	settings := setting.Split(s3.Kind().Settings, complete)
	if err := s3.Kind().CheckSettings(settings); err != nil {
		t.Fatal(err)
	}
	return settings
}

// at are the settings of a folder of a bucket of the server, by way of its
// proxy.
func at(server *testserver.S3Server, bucket string, more map[string]string) map[string]string {
	texts := map[string]string{
		"bucket": bucket, "region": server.Region(), "endpoint": server.Endpoint(), "path_style": "true",
		"access_key_id": server.AccessKey(), "secret_access_key": server.SecretKey(),
	}
	maps.Copy(texts, more)
	return texts
}

// open opens a store, and leaves it to the caller to close it.
func open(ctx context.Context, t testing.TB, texts map[string]string) (ledger.Store, error) {
	t.Helper()
	return s3.Kind().Open(ctx, settingsOf(t, texts), ledger.OpenOptions{Now: noClock(t)})
}

// opened opens a store for as long as the test runs.
func opened(t testing.TB, texts map[string]string) ledger.Store {
	t.Helper()
	store, err := open(t.Context(), t, texts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// noClock is this machine's clock, which the store must never ask.
func noClock(t testing.TB) func() time.Time {
	return func() time.Time {
		t.Error("the machine's clock was asked")
		return time.Time{}
	}
}

// rewrite changes an object as the owner of the bucket would; what is not there
// yet is empty before.
func rewrite(t *testing.T, server *testserver.S3Server, bucket, name string, change func(string) string) {
	t.Helper()
	text := ""
	out, err := server.Client().GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(name)})
	if err == nil {
		data, readErr := io.ReadAll(out.Body)
		text, err = string(data), errors.Join(readErr, out.Body.Close())
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := server.Client().PutObject(t.Context(), &sdk.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(name), Body: strings.NewReader(change(text)),
	}); err != nil {
		t.Fatal(err)
	}
}

// remove takes an object away.
func remove(t *testing.T, server *testserver.S3Server, bucket, name string) {
	t.Helper()
	if _, err := server.Client().DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
}

// clientOf returns a client of a user, straight to the server.
func clientOf(server *testserver.S3Server, accessKey, secretKey string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.Direct()), UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

// second is the error of a call.
func second[T any](_ T, err error) error { return err }

func tagging(bucket, name string) *sdk.PutObjectTaggingInput {
	return &sdk.PutObjectTaggingInput{
		Bucket: aws.String(bucket), Key: aws.String(name),
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("expire"), Value: aws.String("now")}}},
	}
}

func versioningOff(bucket string) *sdk.PutBucketVersioningInput {
	return &sdk.PutBucketVersioningInput{
		Bucket: aws.String(bucket), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended},
	}
}
