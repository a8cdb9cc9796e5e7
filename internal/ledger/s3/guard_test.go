package s3_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/s3"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// statement is a statement of a bucket's policy.
type statement struct {
	Sid, Effect string
	Principal   map[string]string
	Action      []string
	Resource    []string
	Condition   map[string]map[string]string `json:",omitempty"`
}

type policy struct {
	Version   string
	Statement []statement
}

// guardPolicy is the policy in what the kind prints for settings.
func guardPolicy(t *testing.T, texts map[string]string) policy {
	t.Helper()
	text := s3.Kind().Guard(settingsOf(t, texts))
	_, text, _ = strings.Cut(text, "file://policy.json\n")
	var parsed policy
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&parsed); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return parsed
}

// The guide shows what --guard prints.
func TestGuideShowsTheGuard(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../templates/guides/ledger-s3.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	guard := s3.Kind().Guard(settingsOf(t, map[string]string{"bucket": "example-nhi-ledger", "prefix": "production", "region": "eu-central-1"}))
	if !strings.Contains(string(guide), "```text\n"+guard+"```\n") {
		t.Errorf("the guide does not show this:\n%s", guard)
	}
}

// What is denied, to whom and where, for a folder and for a whole bucket.
func TestGuard(t *testing.T) {
	t.Parallel()
	for prefix, objects := range map[string]string{"": "arn:aws:s3:::b-1/*", "a/b": "arn:aws:s3:::b-1/a/b/*"} {
		statements := map[string]statement{}
		for _, s := range guardPolicy(t, map[string]string{"bucket": "b-1", "prefix": prefix}).Statement {
			statements[s.Sid] = s
		}
		replaces, removes := statements["NobodyReplaces"], statements["NobodyRemoves"]
		if replaces.Effect != "Deny" || replaces.Principal["AWS"] != "*" || !slices.Equal(replaces.Action, []string{"s3:PutObject"}) ||
			!slices.Equal(replaces.Resource, []string{objects}) || replaces.Condition["Null"]["s3:if-none-match"] != "true" {
			t.Errorf("a put without a condition: %+v", replaces)
		}
		if removes.Effect != "Deny" || removes.Principal["AWS"] != "*" || !slices.Equal(removes.Resource, []string{objects}) || len(removes.Condition) > 0 {
			t.Errorf("removal: %+v", removes)
		}
		for _, action := range []string{"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"} {
			if !slices.Contains(removes.Action, action) {
				t.Errorf("%s is not denied", action)
			}
		}
		if allowed := statements["WriterAddsAndReads"]; !slices.Equal(allowed.Resource, []string{objects}) || len(allowed.Action) != 2 {
			t.Errorf("allowed: %+v", allowed)
		}
	}
	for region, want := range map[string]bool{"us-east-1": false, "eu-west-1": true} {
		guard := s3.Kind().Guard(settingsOf(t, map[string]string{"bucket": "b-1", "region": region}))
		if strings.Contains(guard, "LocationConstraint="+region) != want {
			t.Errorf("%s: %s", region, guard)
		}
	}
}

// A user who has nothing but the printed policy keeps a ledger, and can take
// nothing away. The server does not know Amazon's condition on puts, and three of
// its actions: those are left out here.
func TestGuardHolds(t *testing.T) {
	t.Parallel()
	server := testserver.S3(t)
	bucket := server.VersionedBucket()
	user, secret := server.User()
	texts := at(server, bucket, map[string]string{"prefix": "nhi", "access_key_id": user, "secret_access_key": secret})
	printed := guardPolicy(t, texts)
	printed.Statement = slices.DeleteFunc(printed.Statement, func(s statement) bool { return s.Condition != nil })
	for i, s := range printed.Statement {
		if s.Principal["AWS"] != "*" {
			printed.Statement[i].Principal = map[string]string{"AWS": user}
		}
		printed.Statement[i].Action = slices.DeleteFunc(s.Action, func(action string) bool {
			return slices.Contains([]string{"s3:PutObjectVersionAcl", "s3:ReplicateDelete", "s3:ReplicateObject"}, action)
		})
	}
	text, err := json.Marshal(printed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = open(t.Context(), t, texts)
	unanswered(t, "before the policy", err)
	if _, err := server.Client().PutBucketPolicy(t.Context(), &sdk.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(string(text))}); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	store := opened(t, texts)
	if err := store.Create(t.Context(), "root/00000001", []byte("root")); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), "root/00000001", []byte("root")); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("%v, want ErrExists", err)
	}
	if keys, err := store.List(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("%q, %v", keys, err)
	}
	if now, err := store.Now(t.Context()); err != nil || now.IsZero() {
		t.Errorf("%s, %v", now, err)
	}
	if _, err := store.Get(t.Context(), "root/00000002"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
	const name = "nhi/root/00000001.entry"
	client := clientOf(server, user, secret)
	for what, err := range map[string]error{
		"delete":         second(client.DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(name)})),
		"tag":            second(client.PutObjectTagging(t.Context(), tagging(bucket, name))),
		"versioning off": second(client.PutBucketVersioning(t.Context(), versioningOff(bucket))),
		"policy off":     second(client.DeleteBucketPolicy(t.Context(), &sdk.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})),
		"other folder":   second(client.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("other"), Body: strings.NewReader("x")})),
	} {
		var refused smithy.APIError
		if !errors.As(err, &refused) || refused.ErrorCode() != "AccessDenied" {
			t.Errorf("%s: %v, want AccessDenied", what, err)
		}
	}
	wantEntry(t, store, "root/00000001", "root")
}
