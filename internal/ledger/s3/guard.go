package s3

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// writerARN stands for the principal that a person puts in its place.
const writerARN = "arn:aws:iam::111122223333:role/nhi-ledger"

// statement is one statement of a bucket policy.
type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string `json:",omitempty"`
}

// bucketPolicy is what makes the place append-only: who writes may add and
// read, and nobody may take away or replace, also who owns the account, until
// somebody changes this policy.
func bucketPolicy(p place) []statement {
	bucket := "arn:aws:s3:::" + p.bucket
	objects := bucket + "/" + p.prefix + "*"
	writer, everybody := map[string]string{"AWS": writerARN}, map[string]string{"AWS": "*"}
	return []statement{
		{
			Sid: "WriterAddsAndReads", Effect: "Allow", Principal: writer,
			Action: []string{"s3:GetObject", "s3:PutObject"}, Resource: []string{objects},
		},
		{
			Sid: "WriterLists", Effect: "Allow", Principal: writer, Action: []string{"s3:ListBucket"}, Resource: []string{bucket},
		},
		{
			Sid: "NobodyReplaces", Effect: "Deny", Principal: everybody, Action: []string{"s3:PutObject"}, Resource: []string{objects},
			Condition: map[string]map[string]string{"Null": {"s3:if-none-match": "true"}},
		},
		{
			Sid: "NobodyRemoves", Effect: "Deny", Principal: everybody,
			Action: []string{
				"s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl", "s3:PutObjectLegalHold",
				"s3:PutObjectRetention", "s3:PutObjectTagging", "s3:PutObjectVersionAcl", "s3:PutObjectVersionTagging",
				"s3:ReplicateDelete", "s3:ReplicateObject",
			},
			Resource: []string{objects},
		},
		{
			Sid: "WriterLeavesTheBucketAlone", Effect: "Deny", Principal: writer,
			Action: []string{
				"s3:DeleteBucket*", "s3:PutBucket*", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
				"s3:PutReplicationConfiguration",
			},
			Resource: []string{bucket},
		},
	}
}

// policyText returns the policy as JSON.
func policyText(statements []statement) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(struct { //nolint:errchkjson // strings alone, and no writer that can fail
		Version   string
		Statement []statement
	}{"2012-10-17", statements})
	return out.String()
}

// guard says how the bucket is made and kept append-only.
func guard(settings setting.Settings) string {
	p, err := parsePlace(settings)
	if err != nil {
		return ""
	}
	create := fmt.Sprintf("aws s3api create-bucket --bucket %s --region %s --object-lock-enabled-for-bucket", p.bucket, p.region)
	if p.region != defaultRegion { // of which Amazon does not want to hear
		create += " \\\n  --create-bucket-configuration LocationConstraint=" + p.region
	}
	return fmt.Sprintf(`# 1. The bucket, with Object Lock and with it versioning: what was written stays, whoever asks.
#    GOVERNANCE can be lifted by those who may bypass it, COMPLIANCE by nobody.
%[1]s
aws s3api put-object-lock-configuration --bucket %[2]s --object-lock-configuration \
  '{"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 1}}}'
aws s3api put-public-access-block --bucket %[2]s --public-access-block-configuration \
  BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true

# 2. The policy of the bucket, as policy.json. Put the role of the runs in place of
#    %[3]s.
aws s3api put-bucket-policy --bucket %[2]s --policy file://policy.json

%[4]s`, create, p.bucket, writerARN, policyText(bucketPolicy(p)))
}
