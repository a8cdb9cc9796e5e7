package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// generatedName is the file that orphans --generate writes.
const generatedName = "unmanaged.tf"

// What a person still has to fill in.
const (
	todoOwner   = "TODO: who answers for it"
	todoPurpose = "TODO: what it is for"
)

// generate writes Terraform that asks to take accounts over. A file that is
// there already is never replaced.
func (a *app) generate(strays []lifecycle.Stray, folder string) (string, error) {
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return "", err
	}
	path := filepath.Join(folder, generatedName)
	err := durable.CreateFile(path, a.terraform(strays), fileMode)
	if errors.Is(err, fs.ErrExist) {
		return "", usage("%s is there already, and is not replaced", path)
	}
	return path, err
}

// terraform is the text: an identity, an approval and a grant for each account.
func (a *app) terraform(strays []lifecycle.Stray) []byte {
	file, names := hclwrite.NewEmptyFile(), map[string]bool{}
	body := file.Body()
	comment(body, "Written by nhi orphans --generate. Each account keeps its name; what is not")
	comment(body, "listed under access is taken away when the grant becomes active. Fill in every")
	comment(body, "TODO first: approvers see and sign it.")
	for _, stray := range strays {
		body.AppendNewline()
		comment(body, fmt.Sprintf("%s on %s: last used %s, holds %s", stray.Principal, where(stray), usedLast(stray.LastUsed),
			orWord(strings.Join(stray.Privileges, ", "), "nothing")))
		kind, known := a.kind(stray.Place.Kind)
		if stray.Access == nil || !known {
			comment(body, "It cannot be taken over as it is.")
			continue
		}
		takeover(body, stray, kind, freeName(stray.Principal, names))
	}
	return hclwrite.Format(file.Bytes())
}

// takeover adds the three resources of one account.
func takeover(body *hclwrite.Body, stray lifecycle.Stray, kind connector.Kind, name string) {
	label := "x_" + strings.ReplaceAll(name, "-", "_")
	if name[0] >= 'a' && name[0] <= 'z' {
		label = label[len("x_"):]
	}
	owner := stray.Owner
	if nhi.CheckText(owner) != nil {
		owner = todoOwner
	}
	identity := body.AppendNewBlock("resource", []string{"nhi_identity", label}).Body()
	identity.SetAttributeValue("name", cty.StringVal(name))
	identity.SetAttributeValue("owner", cty.StringVal(owner))
	identity.SetAttributeValue("purpose", cty.StringVal(todoPurpose))
	identity.SetAttributeValue("ttl", cty.StringVal("2160h"))
	body.AppendNewline()
	approval := body.AppendNewBlock("resource", []string{"nhi_approval", label}).Body()
	approval.SetAttributeTraversal("subject", reference("nhi_identity", label, "subject"))
	approval.SetAttributeValue("justification", cty.StringVal("Taking over "+printableName(stray.Principal)+" on "+stray.Place.System))
	approval.SetAttributeValue("ttl", cty.StringVal("720h"))
	approval.SetAttributeValue("access", cty.ObjectVal(map[string]cty.Value{
		stray.Place.System: cty.ObjectVal(map[string]cty.Value{
			"system":  cty.StringVal(stray.Place.System),
			kind.Name: accessValue(kind, stray.Access),
		}),
	}))
	body.AppendNewline()
	grant := body.AppendNewBlock("resource", []string{"nhi_grant", label}).Body()
	grant.SetAttributeTraversal("ticket", reference("nhi_approval", label, "ticket"))
}

func reference(parts ...string) hcl.Traversal {
	traversal := hcl.Traversal{hcl.TraverseRoot{Name: parts[0]}}
	for _, part := range parts[1:] {
		traversal = append(traversal, hcl.TraverseAttr{Name: part})
	}
	return traversal
}

// accessValue writes an access as the block of its kind. Fields that only say
// their default are left out.
func accessValue(kind connector.Kind, access nhi.Values) cty.Value {
	defaults, _ := setting.Complete(kind.Access, nhi.Values{})
	fields := map[string]cty.Value{}
	for _, field := range kind.Access {
		value, set := access[field.Name]
		usual, has := defaults[field.Name]
		if !set || has && usual.Text() == value.Text() && strings.Join(usual.Items(), "\n") == strings.Join(value.Items(), "\n") {
			continue
		}
		fields[field.Name] = fieldValue(field, value)
	}
	return cty.ObjectVal(fields)
}

func fieldValue(field setting.Field, value nhi.Value) cty.Value {
	switch field.Type {
	case setting.Bool:
		on, _ := strconv.ParseBool(value.Text())
		return cty.BoolVal(on)
	case setting.Strings:
		items := make([]cty.Value, 0, len(value.Items()))
		for _, item := range value.Items() {
			items = append(items, cty.StringVal(item))
		}
		return cty.TupleVal(items)
	case setting.Map:
		pairs := map[string]cty.Value{}
		for _, item := range value.Items() {
			key, text, _ := strings.Cut(item, "=")
			pairs[key] = cty.StringVal(text)
		}
		return cty.ObjectVal(pairs)
	default:
		return cty.StringVal(value.Text())
	}
}

// comment adds a line that nothing from outside can end early.
func comment(body *hclwrite.Body, text string) {
	body.AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte("# " + visible(text) + "\n")}})
}

// printableName is the name of an account, fit for one line of text.
func printableName(name string) string {
	if nhi.CheckText(name) == nil {
		return cut(name, nhi.MaxName*2)
	}
	return "an account"
}

// freeName makes the name of an identity of the name of an account: what names
// may not hold becomes a dash, and one that is taken gets a number.
func freeName(principal string, taken map[string]bool) string {
	var out strings.Builder
	for _, c := range strings.ToLower(principal) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			out.WriteRune(c)
		} else if out.Len() > 0 && !strings.HasSuffix(out.String(), "-") {
			out.WriteByte('-')
		}
	}
	const room = 6 // for a number
	base := out.String()
	base = strings.Trim(base[:min(len(base), nhi.MaxName-room)], "-")
	if base == "" {
		base = "account"
	}
	name := base
	for n := 2; taken[name]; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	taken[name] = true
	return name
}
