package command

import (
	"strings"
	"testing"
)

func TestPreconnectRemarks(t *testing.T) {
	for line, want := range map[string]string{
		"ssh -f -N -L 7201:127.0.0.1:25 gw":         "keeps the port",
		"ssh -fN -L 7201:127.0.0.1:25 gw":           "keeps the port",
		"ssh -L 7201:127.0.0.1:25 -fNT gw":          "keeps the port",
		"exec /usr/bin/ssh -i key -Nf gw":           "keeps the port",
		"ssh -N -L 7201:127.0.0.1:25 gw & sleep 1":  "keeps the port",
		"ssh -N -L 7201:127.0.0.1:25 gw":            "no session begins",
		"ssh -f -L 7201:127.0.0.1:25 gw 'sleep 5'":  "",
		"ssh -f -i N -o N -L7201:N:25 gw 'sleep 5'": "",
		"ssh -f -oControlPath=N gw grep -N":         "",
		"vpn -N up":                                 "",
		"":                                          "",
	} {
		if got := strings.Join(PreconnectRemarks(line), " "); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
