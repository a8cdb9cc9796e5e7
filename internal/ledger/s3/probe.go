package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
)

// probeText is what a person finds in the probe.
const probeText = "nhi finds out with this object whether the store refuses to overwrite. Leave it.\n"

var (
	errOverwrites = errors.New("it overwrites objects although it was asked not to (If-None-Match): a ledger cannot be kept here")
	errForgets    = errors.New("it does not keep the metadata of objects (x-amz-meta-): a ledger cannot be kept here")
)

// prove finds out, once for each store, whether the server refuses to overwrite:
// one that does not know the condition would lose entries without a word. The
// probe is made twice at most. Where it is there already, the first put is
// refused, which is the answer.
func (s *Store) prove(ctx context.Context) error {
	select {
	case s.proving <- struct{}{}:
		defer func() { <-s.proving }()
	case <-ctx.Done():
		return s.explain(ctx, "probe", ctx.Err())
	}
	if s.proven {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name, writer := s.place.prefix+probeName, rand.Text()
	err := s.put(ctx, name, []byte(probeText), writer)
	if err == nil {
		if err := s.checkKept(ctx, name, writer); err != nil {
			return err
		}
		err = s.put(ctx, name, []byte(probeText), rand.Text())
	}
	switch {
	case err == nil:
		return s.fault("probe", errOverwrites.Error())
	case !says(err, http.StatusPreconditionFailed, codePrecondition):
		return s.explain(ctx, "probe", err)
	}
	s.proven = true
	return nil
}

// checkKept holds that the probe that was just made says who made it. Another
// one may have been faster where the first try of ours was lost.
func (s *Store) checkKept(ctx context.Context, name, writer string) error {
	found, err := s.writer(ctx, name)
	switch {
	case err != nil:
		return s.explain(ctx, "probe", err)
	case found == "":
		return s.fault("probe", errForgets.Error())
	case found != writer:
		return s.fault("probe", errOverwrites.Error())
	}
	return nil
}
