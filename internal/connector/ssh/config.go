package ssh

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// config are the settings of one system, with paths expanded.
type config struct {
	caKeyFile      string
	krlFile        string
	hosts          []string // host:port
	knownHostsFile string
	probeUser      string
	confirm        string
}

// readConfig reads and checks settings. Errors are nhi.ErrInvalid.
func readConfig(settings setting.Settings) (config, error) {
	values := settings.Values
	read := config{hosts: values.Items(settingProbe), probeUser: values.Text(settingProbeUser), confirm: values.Text(settingConfirm)}
	for name, to := range map[string]*string{
		settingCAKey: &read.caKeyFile, settingKRL: &read.krlFile, settingKnownHosts: &read.knownHostsFile,
	} {
		path, err := expand(values.Text(name))
		if err != nil {
			return config{}, fmt.Errorf("%s: %w", name, err)
		}
		*to = path
	}
	switch {
	case read.caKeyFile == "":
		return config{}, fmt.Errorf("%s is required: %w", settingCAKey, nhi.ErrInvalid)
	case read.krlFile == "":
		return config{}, fmt.Errorf("%s is required: %w", settingKRL, nhi.ErrInvalid)
	case len(read.hosts) > 0 && read.knownHostsFile == "":
		return config{}, nhi.AtRisk(nhi.RiskAuthentication,
			fmt.Errorf("%s is required with %s: without it, anybody could answer for a host: %w", settingKnownHosts, settingProbe, nhi.ErrInvalid))
	}
	for _, host := range read.hosts {
		if err := checkHost(host); err != nil {
			return config{}, fmt.Errorf("%s: %w", settingProbe, err)
		}
	}
	return read, checkConfirm(read.confirm)
}

// expand replaces a leading ~/ by the home folder.
func expand(path string) (string, error) {
	rest, fromHome := strings.CutPrefix(path, "~/")
	if !fromHome {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("~/ cannot be expanded (%w): %w", err, nhi.ErrInvalid)
	}
	return filepath.Join(home, rest), nil
}

// checkHost holds for host:port.
func checkHost(text string) error {
	if err := nhi.CheckText(text); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, "/ @'\"") {
		return fmt.Errorf("%q is not host:port: %w", text, nhi.ErrInvalid)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return fmt.Errorf("%q has no port between 1 and 65535: %w", text, nhi.ErrInvalid)
	}
	return nil
}

func checkConfirm(text string) error {
	if text != "" && text != confirmKRL {
		return fmt.Errorf("%s %.40q is neither empty nor %q: %w", settingConfirm, text, confirmKRL, nhi.ErrInvalid)
	}
	return nil
}
