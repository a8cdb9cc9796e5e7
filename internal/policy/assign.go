package policy

// assign says who counts for which need: for each need the persons, by number
// from 0 to people-1, in ascending order of their coming.
//
// Where the rule of a need wants distinct persons, nobody counts for two needs
// of that rule, and persons are placed so that as many places as possible are
// filled: it is a matching of persons to places (augmenting paths). Who is left
// over then is listed with a need that is full. Everybody else counts for every
// need that counts them.
func assign(needs []Need, people int, counts func(need, person int) bool) [][]int {
	have := make([][]int, len(needs))
	rules := map[string][]int{} // the needs of the rules that want distinct persons
	for n, need := range needs {
		if need.Distinct {
			rules[need.Rule] = append(rules[need.Rule], n)
			continue
		}
		for person := range people {
			if counts(n, person) {
				have[n] = append(have[n], person)
			}
		}
	}
	for _, group := range rules {
		m := matching{needs: needs, group: group, have: have, counts: counts}
		for person := range people {
			m.place(person)
		}
	}
	return have
}

// matching places persons on the needs of one rule.
type matching struct {
	needs  []Need
	group  []int
	have   [][]int
	counts func(need, person int) bool
}

// place gives a person a place, by moving others where that helps; where all
// are taken, it lists the person with the first need that would count them.
func (m *matching) place(person int) {
	if m.move(person, map[int]bool{}) {
		return
	}
	for _, n := range m.group {
		if m.counts(n, person) {
			m.have[n] = append(m.have[n], person)
			return
		}
	}
}

// move finds a free place for a person along an augmenting path.
func (m *matching) move(person int, seen map[int]bool) bool {
	for _, n := range m.group {
		if seen[n] || !m.counts(n, person) {
			continue
		}
		seen[n] = true
		if len(m.have[n]) < m.needs[n].Want {
			m.have[n] = append(m.have[n], person)
			return true
		}
		for i, other := range m.have[n] {
			if m.move(other, seen) {
				m.have[n][i] = person
				return true
			}
		}
	}
	return false
}

// met says whether every need has as many persons as it wants.
func met(needs []Need, have [][]int) bool {
	for n, need := range needs {
		if len(have[n]) < need.Want {
			return false
		}
	}
	return true
}
