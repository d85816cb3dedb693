package smtp

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// TestConcealed: however a host spells a login, and wherever a line end cuts it, no piece of it is shown or kept.
func TestConcealed(t *testing.T) {
	for _, password := range []string{"hunter2hunter", "Pa$$ w0rd/ÿ+~?", "öö~~ööÿÿ", "sesame", strings.Repeat("token.", 8)} {
		plain := "\x00me@example.org\x00" + password
		hide := []string{password, base64.StdEncoding.EncodeToString([]byte(password)), base64.StdEncoding.EncodeToString([]byte(plain))}
		n := 0
		for name, spelled := range map[string]string{
			"as it is": password, "in other letters": lower(password), "for a URL": url.QueryEscape(password), "in hexadecimal": hex.EncodeToString([]byte(password)),
			"base64": base64.StdEncoding.EncodeToString([]byte(password)), "not padded": base64.RawStdEncoding.EncodeToString([]byte(password)),
			"base64 for a URL": base64.URLEncoding.EncodeToString([]byte(password)), "and not padded": base64.RawURLEncoding.EncodeToString([]byte(password)),
			"the response": base64.StdEncoding.EncodeToString([]byte(plain)), "the response, not padded": base64.RawStdEncoding.EncodeToString([]byte(plain)),
			"the response, for a URL": base64.RawURLEncoding.EncodeToString([]byte(plain)),
			"another response":        base64.StdEncoding.EncodeToString([]byte("user=yo" + plain + "\x00tail")),
		} {
			for cut := range len(spelled) + 1 {
				a, b := spelled[:cut], spelled[cut:]
				for _, said := range []string{
					"535 5.7.8 no: " + a + b + " is wrong\r\n",
					"535-5.7.8 no: " + a + "\r\n535 5.7.8 " + b + " is wrong\r\n",
					"535-no: " + a + " \r\n535  " + b + "\r\n",
					a + "\r\n" + b + "\r\n535 no\r\n",
					"no: " + a + "\r\n535 " + b + "\r\n",
					"535-no: " + a, // and the connection is lost
					"535-no: " + a + "\r\n535 " + b,
				} {
					n++
					kept := conceal(said, hide)
					if piece := pieceOf(kept, password); piece != "" {
						t.Fatalf("%s, cut at %d: of %q is kept %q, with %q", name, cut, said, kept, piece)
					}
				}
			}
		}
		t.Logf("%d replies", n)
	}
}

// conceal returns all that is shown and kept of what a host says.
func conceal(said string, hide []string) string {
	var shown []string
	rr := newReplyReader(strings.NewReader(said), func(_ byte, line string) { shown = append(shown, line) })
	rr.hide = hide
	r, err := rr.next()
	all := append(shown, rr.noise, fmt.Sprint(err))
	if r != nil {
		all = append(all, r.Text())
	}
	return strings.Join(all, "\n")
}

// pieceOf returns four octets in a row of the password, or six of it in base64, that stand in a text; "" for none.
func pieceOf(text, password string) string {
	for i := 0; i+4 <= len(password); i++ {
		if strings.Contains(text, password[i:i+4]) {
			return password[i : i+4]
		}
	}
	for before := range 3 {
		for _, s := range []string{within(password, before), strings.NewReplacer("+", "-", "/", "_").Replace(within(password, before))} {
			for i := 0; i+6 <= len(s); i++ {
				if strings.Contains(text, s[i:i+6]) {
					return s[i : i+6]
				}
			}
		}
	}
	return ""
}

// Words that are no secret stay as they are.
func TestNothingToConceal(t *testing.T) {
	hide := []string{"hunter2", base64.StdEncoding.EncodeToString([]byte("hunter2")), base64.StdEncoding.EncodeToString([]byte("\x00me\x00hunter2"))}
	for _, said := range []string{"535-5.7.8 authentication failed:  hunter\r\n535 5.7.8 see https://example.org/?u=me\r\n", "250 ok\r\n", "hunt\r\n250 er\r\n"} {
		if kept := conceal(said, hide); strings.Contains(kept, "***") {
			t.Errorf("of %q is kept %q", said, kept)
		}
	}
	if kept := conceal("535-5.7.8 no  hun \r\n535 5.7.8  ter2  then\r\n", hide); kept != "535-5.7.8 no  *** \n535 5.7.8  ***  then\n\n<nil>\nno  ***   ***  then" {
		t.Errorf("%q", kept)
	}
}
