package stage

import (
	"fmt"
	"os/exec"
	"strings"
)

// Bootstrap makes a Debian system of a release with nothing in it, from the site that this machine's
// packages are from. It takes root, debootstrap and a network.
func Bootstrap(release, dir string) error {
	site, err := exec.Command("sh", "-c",
		"apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' | grep -v security | sort -u").Output()
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(site), "\n")
	if text, err := exec.Command("debootstrap", "--variant=minbase", "--include=ca-certificates", release, dir, first).CombinedOutput(); err != nil {
		return fmt.Errorf("debootstrap: %w\n%s", err, text)
	}
	return nil
}
