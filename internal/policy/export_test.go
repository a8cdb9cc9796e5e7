package policy

import "fmt"

// Assign is assign for one rule that wants distinct persons: so many of each
// group, and the groups of each person.
func Assign(wants []int, members [][]int) [][]int {
	return assign(needsOf(wants), len(members), func(need, person int) bool {
		for _, group := range members[person] {
			if group == need {
				return true
			}
		}
		return false
	})
}

// Met is met for one such rule.
func Met(wants []int, have [][]int) bool { return met(needsOf(wants), have) }

func needsOf(wants []int) []Need {
	var needs []Need
	for group, want := range wants {
		needs = append(needs, Need{Want: want, Requirement: Requirement{Rule: "x", Group: fmt.Sprint(group), Distinct: true}})
	}
	return needs
}

// Cost compiles an expression and evaluates it about the first access of some
// facts; it returns what that cost.
func Cost(source string, facts Facts) (uint64, error) {
	expression, err := compile(source)
	if err != nil {
		return 0, err
	}
	q := &inquiry{facts: facts}
	err = q.holds(expression, facts.Request.Access[0])
	return q.spent, err
}

// MaxCost is the most that one evaluation may cost.
const MaxCost = maxCost
