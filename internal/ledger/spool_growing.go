package ledger

import "slices"

// Growing is one record of a spool that grows while work goes on. It is one
// file at any time, so its entries are written to the ledger in one go, and
// also when a part of them was written there before.
type Growing struct {
	spool  *Spool
	chain  string
	name   string
	bodies []Body
}

// Grow begins a record for a chain. Nothing is kept before the first Append.
func (s *Spool) Grow(chain string) *Growing {
	return &Growing{spool: s, chain: chain, name: s.name()}
}

// Append adds bodies to the record. Once it returned nil, they survive a crash
// of the machine; after an error, none of them was added. nhi.ErrInvalid when
// they could never be written to the ledger.
func (g *Growing) Append(bodies ...Body) error {
	grown := append(slices.Clone(g.bodies), bodies...)
	if err := g.spool.put(g.name, g.chain, grown); err != nil {
		return err
	}
	g.bodies = grown
	return nil
}
