package discover

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
)

func TestSummed(t *testing.T) {
	document := []byte(`{"protocols":{"smtp":{"host":"smtp.example.org"}}}`)
	sum := sha256.Sum256(document)
	good := "v=UAAC1; a=sha256; d=" + base64.StdEncoding.EncodeToString(sum[:])
	for text, want := range map[string]bool{
		good: true, good + ";": true, "v=spf1": false, "": false,
		"v=UAAC1; a=sha256; d=": false, "v=UAAC1; a=md5; d=" + good[21:]: false, "v=UAAC2" + good[7:]: false,
	} {
		if got := summed([]string{"other", text}, document); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
