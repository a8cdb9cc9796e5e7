package policy

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/ext"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of expressions. A unit of cost is about one step of CEL.
const (
	maxExpression = 4_000 // bytes of one expression
	// maxCost bounds one evaluation, by its estimate at worst and at run time,
	// and all evaluations about one request: about a second.
	maxCost = 2_000_000
)

// Expression is a CEL expression that is true or false. It sees Facts and
// nothing else: no clock of its own, no file, no network.
type Expression struct {
	Source  string
	program cel.Program
	// late says that it looks at what only an evaluation knows: the time, the
	// requester, the runner.
	late bool
}

// Condition is what must hold for every access that its rule decides, besides
// the quorum.
type Condition struct {
	Name string // a sentence for people
	Expression
}

// errFalse stands for an expression that is false.
var errFalse = errors.New("it does not hold")

// environments are the CEL environments: what follows from the request alone,
// and everything.
var environments = sync.OnceValues(func() ([2]*cel.Env, error) {
	standing, err := cel.NewEnv(
		ext.NativeTypes(ext.ParseStructTag("cel"), reflect.TypeFor[RequestFacts](), reflect.TypeFor[IdentityFacts](),
			reflect.TypeFor[AccessFacts](), reflect.TypeFor[RequesterFacts](), reflect.TypeFor[RunnerFacts]()),
		cel.Variable("request", cel.ObjectType("policy.RequestFacts")),
		cel.Variable("identity", cel.ObjectType("policy.IdentityFacts")),
		cel.Variable("access", cel.ObjectType("policy.AccessFacts")),
		cel.ParserExpressionSizeLimit(maxExpression), cel.DefaultUTCTimeZone(true),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
	)
	if err != nil {
		return [2]*cel.Env{}, err
	}
	all, err := standing.Extend(
		cel.Variable("requester", cel.ObjectType("policy.RequesterFacts")),
		cel.Variable("runner", cel.ObjectType("policy.RunnerFacts")),
		cel.Variable("now", cel.TimestampType),
	)
	return [2]*cel.Env{standing, all}, err
})

// compile checks the types and the cost of an expression.
func compile(source string) (Expression, error) {
	if len(source) > maxExpression {
		return Expression{}, fmt.Errorf("the expression is longer than %d bytes: %w", maxExpression, nhi.ErrInvalid)
	}
	known, err := environments()
	if err != nil {
		return Expression{}, err
	}
	env, late := known[0], false
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		env, late = known[1], true
		if ast, issues = env.Compile(source); issues.Err() != nil {
			return Expression{}, fmt.Errorf("%s: %w", firstLine(issues.Err().Error()), nhi.ErrInvalid)
		}
	}
	if kind := ast.OutputType(); !kind.IsExactType(cel.BoolType) {
		return Expression{}, fmt.Errorf("the expression is of type %s, and must be true or false: %w", kind, nhi.ErrInvalid)
	}
	estimate, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return Expression{}, fmt.Errorf("its cost: %w: %w", err, nhi.ErrInvalid)
	}
	if estimate.Max > maxCost {
		return Expression{}, fmt.Errorf("the expression may cost more than %d steps: %w", maxCost, nhi.ErrInvalid)
	}
	program, err := env.Program(ast, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return Expression{}, fmt.Errorf("%w: %w", err, nhi.ErrInvalid)
	}
	return Expression{Source: source, program: program, late: late}, nil
}

// firstLine is what is wrong, without the drawing that CEL adds.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimPrefix(line, "ERROR: <input>:")
}

// sizes tells the cost estimate how large the facts may be.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(element cost.AstNode) *cost.SizeEstimate {
	longest := uint64(nhi.MaxText)
	path := strings.Join(element.Path(), ".")
	switch {
	case strings.HasSuffix(path, "request.access"):
		longest = nhi.MaxAccesses
	case strings.HasSuffix(path, ".settings.@values"), strings.HasSuffix(path, ".settings"):
		longest = nhi.MaxListItems
	case strings.HasSuffix(path, "claims"):
		longest = maxClaims
	}
	return &cost.SizeEstimate{Min: 0, Max: longest}
}

// EstimateCallCost implements cost.Estimator: as CEL has it.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// inquiry evaluates expressions about one request, within one budget.
type inquiry struct {
	facts Facts
	spent uint64
}

// holds is nil where the expression is true of an access, errFalse where it is
// false, and another error where that cannot be told: then it never counts as
// true or false.
func (q *inquiry) holds(e Expression, access AccessFacts) error {
	if q.spent >= maxCost {
		return errors.New("the conditions cost too much for this request")
	}
	if e.program == nil {
		return errors.New("it was not compiled")
	}
	given := map[string]any{"request": q.facts.Request, "identity": q.facts.Identity, "access": access}
	if e.late {
		given["requester"], given["runner"], given["now"] = q.facts.Requester, q.facts.Runner, q.facts.Now
	}
	result, details, err := e.program.Eval(given)
	spent := uint64(maxCost) // where it is not known
	if details != nil && details.ActualCost() != nil {
		spent = *details.ActualCost()
	}
	q.spent += spent
	if err != nil {
		return fmt.Errorf("it cannot be evaluated: %.200s", err.Error())
	}
	switch result.Value() {
	case true:
		return nil
	case false:
		return errFalse
	default:
		return errors.New("it is neither true nor false")
	}
}
