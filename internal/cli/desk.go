package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// desk is what a command works at: the configuration, and an engine over the
// ledger, policy and decisions that it names.
type desk struct {
	config
	engine *lifecycle.Engine
	// begin starts the sitting, which lasts as long as the desk.
	begin   func(context.Context) (*lifecycle.Sitting, error)
	sitting *lifecycle.Sitting
	// apart is the request file that this desk is over, where it is one: the
	// ledger is not here, and what is decided travels as files.
	apart *requestFile
	// wanted are requests that a plan asks for, and that need not be on record.
	wanted map[nhi.ApprovalID]wanted
}

// wanted is a request that somebody wants to make: its text, and why.
type wanted struct {
	Text          string `json:"text"`
	Justification string `json:"justification"`
}

// open reads the configuration and the flags. Nothing is contacted yet.
func (a *app) open() (*desk, error) {
	c, err := a.configuration()
	if err != nil {
		return nil, err
	}
	d := &desk{config: c, engine: lifecycle.New(lifecycle.Config{
		OpenLedger: a.openLedger(c.ledger), PolicyFile: c.policyFile, DecisionsDir: c.decisionsDir,
		SpoolDir: a.SpoolDir, Pins: a.Pins, Systems: c.targets(a.Kinds), Clock: a.clock,
		Runner: c.runner, Requester: c.requester,
	})}
	d.begin = d.engine.Sit
	return d, nil
}

// sit returns the sitting at which this desk evaluates: policy and decision
// files are read once.
func (d *desk) sit(ctx context.Context) (*lifecycle.Sitting, error) {
	if d.sitting != nil {
		return d.sitting, nil
	}
	sitting, err := d.begin(ctx)
	d.sitting = sitting
	return sitting, err
}

func (d *desk) close() { _ = d.engine.Close() }

// configuration is nhi.hcl with the flags laid over it. The file may be
// missing where it was not named and a flag says where the ledger is.
func (a *app) configuration() (config, error) {
	path := a.places.config
	if path == "" {
		path = configName
	}
	c, err := a.readConfig(path)
	missing := errors.Is(err, fs.ErrNotExist) && a.places.config == ""
	if err != nil && !missing {
		return config{}, &failure{ExitUsage, err}
	}
	for _, place := range []struct {
		flag string
		at   *string
	}{{a.places.policy, &c.policyFile}, {a.places.decisions, &c.decisionsDir}} {
		if place.flag != "" {
			*place.at = place.flag
		}
	}
	if a.places.ledger != "" {
		if c.ledger, err = a.ledgerOf(a.places.ledger); err != nil {
			return config{}, &failure{ExitUsage, fmt.Errorf("--ledger: %w", err)}
		}
	}
	switch {
	case !c.ledger.named() && missing:
		return config{}, usage("there is no %s in this folder: go where it is, or say --config FILE or --ledger (`nhi init` makes a new ledger)", configName)
	case !c.ledger.named():
		return config{}, usage("%s names no ledger: add ledger = { local = { path = \".nhi\" } }, or say --ledger", path)
	}
	return c, nil
}

// filesIn returns the paths of the files in a folder whose names end in suffix,
// sorted by name; nhi.ErrInvalid for more than limit.
func filesIn(folder, suffix string, limit int) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, entry := range entries {
		if !entry.IsDir() && filepath.Ext(entry.Name()) == suffix {
			paths = append(paths, filepath.Join(folder, entry.Name()))
		}
	}
	if len(paths) > limit {
		return nil, fmt.Errorf("%s holds %d files, and %d is the most allowed: %w", folder, len(paths), limit, nhi.ErrInvalid)
	}
	return paths, nil
}
