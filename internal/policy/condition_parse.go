package policy

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxConditions bounds the conditions of one rule.
const maxConditions = 20

// expression reads an attribute that is a CEL expression; nil where it is not
// set or wrong.
func (r *reader) expression(body *hclsyntax.Body, name string, required bool) *Expression {
	source, at, ok := r.text(body, name, required)
	if !ok {
		return nil
	}
	expression, err := compile(source)
	if err != nil {
		r.check(at, name, err)
		return nil
	}
	return &expression
}

// when reads what a rule matches by, besides names. It must say the same in a
// plan and at apply, so it sees only what follows from the request.
func (r *reader) when(body *hclsyntax.Body) *Expression {
	expression := r.expression(body, "when", false)
	if expression != nil && expression.late {
		r.fail(body.Attributes["when"].NameRange, "when may look at request, identity and access only: what else matters is a condition")
		return nil
	}
	return expression
}

func (r *reader) conditions(body *hclsyntax.Body) []Condition {
	var conditions []Condition
	names := map[string]bool{}
	for _, block := range r.blocks(body, "condition", maxConditions) {
		r.check(block.TypeRange, "condition", nhi.CheckText(block.Labels[0]))
		r.once(names, block.TypeRange, "condition", block.Labels[0])
		r.shape(block.Body, []string{"expression"}, nil)
		if expression := r.expression(block.Body, "expression", true); expression != nil {
			conditions = append(conditions, Condition{Name: block.Labels[0], Expression: *expression})
		}
	}
	return conditions
}
