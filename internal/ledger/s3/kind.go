package s3

import (
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// The names of settings.
const (
	settingBucket       = "bucket"
	settingPrefix       = "prefix"
	settingRegion       = "region"
	settingEndpoint     = "endpoint"
	settingPathStyle    = "path_style"
	settingAccessKeyID  = "access_key_id"
	settingSecretKey    = "secret_access_key"
	settingSessionToken = "session_token"
)

// Kind describes a ledger in an S3 bucket.
func Kind() ledger.Kind {
	return ledger.Kind{
		Name:        "s3",
		Description: "A ledger in a bucket of Amazon S3, or of another server that speaks S3 and has conditional writes.",
		Settings:    settingFields(),
		CheckSettings: func(settings setting.Settings) error {
			if _, err := parsePlace(settings); err != nil {
				return err
			}
			return checkKeys(settings)
		},
		Open:  open,
		Guard: guard,
	}
}

func settingFields() []setting.Field {
	return []setting.Field{
		{
			Name: settingBucket, Required: true, Check: checkBucket,
			Description: "The name of an existing bucket; no ARN, access point or directory bucket.",
		},
		{
			Name: settingPrefix, Check: checkPrefix,
			Description: "The folder in the bucket, such as `nhi/production`. Nothing else may be in it. Without it, the whole bucket is the ledger's.",
		},
		{
			Name: settingRegion, Default: defaultRegion, Check: checkRegion,
			Description: "The region of the bucket; `" + defaultRegion + "` where nothing is said.",
		},
		{
			Name: settingEndpoint, Check: checkEndpoint,
			Description: "https://HOST:PORT of another vendor's server. Plain http is for loopback addresses alone. Redirects are not followed, and no proxy is used.",
		},
		{
			Name: settingPathStyle, Type: setting.Bool, Default: "false",
			Description: "Names the bucket in the path and not in the host name, which many other vendors' servers need.",
		},
		{
			Name: settingAccessKeyID, Check: checkAccessKeyID,
			Description: "The id of an access key. Without it, credentials come from where AWS tools look for them: the environment, a profile, a web identity, the machine's role.",
		},
		{Name: settingSecretKey, Secret: true, Check: checkSecret, Description: "The secret of `" + settingAccessKeyID + "`."},
		{Name: settingSessionToken, Secret: true, Check: checkSecret, Description: "The session token that belongs to a temporary access key."},
	}
}

// checkKeys holds that an access key is whole, so that no half of one is made
// up from the environment.
func checkKeys(settings setting.Settings) error {
	id := settings.Values.Text(settingAccessKeyID) != ""
	secret := !settings.Secrets[settingSecretKey].IsZero()
	token := !settings.Secrets[settingSessionToken].IsZero()
	switch {
	case id != secret:
		return invalid("%s and %s belong together: set both, or neither", settingAccessKeyID, settingSecretKey)
	case token && !id:
		return invalid("%s needs the %s that it belongs to", settingSessionToken, settingAccessKeyID)
	}
	return nil
}
