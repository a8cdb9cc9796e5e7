package witness

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is a Merkle tree (RFC 6962) over records.
type tree struct {
	size   int64
	hashes []tlog.Hash // as tlog stores them
}

// add makes data the next leaf.
func (t *tree) add(data []byte) error {
	hashes, err := tlog.StoredHashes(t.size, data, t)
	if err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	t.hashes = append(t.hashes, hashes...)
	t.size++
	return nil
}

// head returns the hash of the tree's first size leaves.
func (t *tree) head(size int64) (tlog.Hash, error) {
	if size < 0 || size > t.size {
		return tlog.Hash{}, fmt.Errorf("it is of %d records, and there are %d: %w", size, t.size, ErrDamaged)
	}
	hash, err := tlog.TreeHash(size, t)
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("tree: %w", err)
	}
	return hash, nil
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(t.hashes)) {
			return nil, fmt.Errorf("tree: it has no hash %d", index)
		}
		found[i] = t.hashes[index]
	}
	return found, nil
}
