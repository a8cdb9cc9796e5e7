package provider

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Bounds of the files that are looked at for secrets, in number and bytes.
const (
	maxWrittenFiles = 200
	maxWrittenFile  = 1 << 20
	maxWritten      = 16 << 20 // of all files
)

// writtenFiles are the names of files that people write configuration in.
var writtenFiles = []string{"*.tf", "*.tf.json", "*.tfvars", "*.tfvars.json", "*.tofu", "*.tofu.json"}

// configurationTexts reads the configuration of the root module, by file name:
// Terraform starts a provider in its folder. What cannot be read is left out.
func configurationTexts() map[string]string {
	texts, size := map[string]string{}, int64(0)
	for _, pattern := range writtenFiles {
		files, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil || !info.Mode().IsRegular() || info.Size() > maxWrittenFile || size+info.Size() > maxWritten || len(texts) >= maxWrittenFiles {
				continue
			}
			size += info.Size()
			if data, err := os.ReadFile(file); err == nil {
				texts[file] = string(data)
			}
		}
	}
	return texts
}

// writtenSecrets finds secret settings of a system that stand in a file of the
// configuration as they are. It never shows them.
func writtenSecrets(fields []setting.Field, values nhi.Values, at path.Path, texts map[string]string) map[string]writtenSecret {
	found := map[string]writtenSecret{}
	for _, field := range fields {
		value, set := values[field.Name]
		if !field.Secret || !set {
			continue
		}
		for file, text := range texts {
			if was, known := found[at.AtName(field.Name).String()]; nhi.Written(text, nhi.NewSecret(value.Text())) && (!known || file < was.file) {
				found[at.AtName(field.Name).String()] = writtenSecret{at: at.AtName(field.Name), file: file}
			}
		}
	}
	return found
}

// writtenSecret is a secret that stands in a file.
type writtenSecret struct {
	at   path.Path
	file string
}

// warnWritten warns of secrets that stand in the configuration.
func (s *session) warnWritten(written map[string]writtenSecret, diags *diag.Diagnostics) {
	if len(written) == 0 || s.checks().Check(nhi.RiskLeakage).Level == policy.LevelOff {
		return
	}
	for _, one := range written {
		warnRisk(diags, one.at, policy.Finding{Risk: nhi.RiskLeakage, Reason: fmt.Sprintf(
			"this secret stands in %s in clear. Give it as an ephemeral variable (TF_VAR_… in the environment), and change the secret: whoever has seen that file has it", one.file)})
	}
}
