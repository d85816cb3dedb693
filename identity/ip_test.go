package identity

import (
	"net/netip"
	"testing"
)

var addresses = []string{
	"127.0.0.1", "127.255.255.255", "10.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1..2.3", "+1.2.3.4", "1.2.3.4%lo", "",
	"::1", "::", "::1%lo", "::1%", "1::", "2001:db8::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "1:2:3:4::5:6:7:8",
	"::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "1:2:3:4:5:6:1.2.3.4", "::ffff:1.2.3.4%eth0", "::ffff:0:0%x", "1.2.3.4::", "::1.2.3.4:5", ":::", "1:::2", ":1", "1:", "::g", "::12345", "::+1", "::0x1", "::1_0", "[::1]",
}

// checkIP compares with the library.
func checkIP(t *testing.T, s string) {
	t.Helper()
	want, err := netip.ParseAddr(s)
	if got := isIPv6(s); got != (err == nil && want.Is6()) {
		t.Errorf("isIPv6(%q) = %t", s, got)
	}
	if got := isLoopbackIP(s); got != (err == nil && want.Unmap().IsLoopback()) {
		t.Errorf("isLoopbackIP(%q) = %t", s, got)
	}
}

func TestIP(t *testing.T) {
	for _, s := range addresses {
		checkIP(t, s)
	}
}

func FuzzIP(f *testing.F) {
	for _, s := range addresses {
		f.Add(s)
	}
	f.Fuzz(checkIP)
}
