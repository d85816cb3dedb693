package identity

import (
	"fmt"
	"reflect"
	"testing"
)

// checkEqual compares what two configurations say, wherever they come from.
func checkEqual(t *testing.T, got, want *Config) {
	t.Helper()
	if g, w := globals(got), globals(want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
	if len(got.Identities) != len(want.Identities) {
		t.Fatalf("got %d identities, want %d", len(got.Identities), len(want.Identities))
	}
	for i := range got.Identities {
		id, want := *got.Identities[i], *want.Identities[i]
		id.LoginLine, want.LoginLine = 0, 0 // a matter of the file
		if !reflect.DeepEqual(id, want) {
			t.Errorf("identity %d:\ngot  %+v\nwant %+v", i, id, want)
		}
	}
}

func globals(c *Config) string {
	vias := ""
	for _, v := range c.Vias {
		vias += fmt.Sprintf("%q to %s;", v.Match, v.Identity.Name)
	}
	return fmt.Sprintf("delay %v, mda %q, force_mda %q, mda_timeout %v, notify %q, expire %v, notice %v, keep %v, local %q, aliases %v, via %s",
		c.BatchDelay, c.MDA, c.ForceMDA, c.MDATimeout, c.Notify, c.ExpireAfter, c.DelayNoticeAfter, c.KeepFailed, c.LocalDomains, c.Aliases, vias)
}
