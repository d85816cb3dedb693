package smtp

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
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

// A host may encode some of the letters of a secret and leave the others as they are.
func TestConcealedAmongEscapes(t *testing.T) {
	escapes := map[string]func(c byte) string{
		"quoted-printable": func(c byte) string { return fmt.Sprintf("=%02X", c) },
		"for a URL":        func(c byte) string { return fmt.Sprintf("%%%02x", c) },
		"xtext":            func(c byte) string { return fmt.Sprintf("+%02X", c) },
		"hexadecimal":      func(c byte) string { return fmt.Sprintf(`\x%02x`, c) },
		"octal":            func(c byte) string { return fmt.Sprintf(`\%03o`, c) },
		"JSON":             func(c byte) string { return fmt.Sprintf(`\u%04x`, c) },
		"HTML":             func(c byte) string { return fmt.Sprintf("&#%d;", c) },
		"HTML, hex":        func(c byte) string { return fmt.Sprintf("&#X%x;", c) },
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, password := range []string{"hunter2hunter", `Pa$$ w0rd"<&>+~?%41=41\x`, "sesame"} {
		plain := base64.StdEncoding.EncodeToString([]byte("\x00me@example.org\x00" + password))
		hide := []string{password, base64.StdEncoding.EncodeToString([]byte(password)), plain}
		for name, escape := range escapes {
			for range 30 {
				for _, secret := range []string{password, plain} {
					said, often := "", random.IntN(4)
					for _, c := range []byte(secret) {
						letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
						if !letter || random.IntN(4) < often {
							said += escape(c)
						} else {
							said += string(c)
						}
					}
					cut := random.IntN(len(said))
					for _, said := range []string{"535 5.7.8 no: " + said + " is wrong\r\n", "535-no: " + said[:cut] + "\r\n535 " + said[cut:] + "\r\n"} {
						if kept := conceal(said, hide); !strings.HasSuffix(strings.TrimSuffix(kept, " is wrong"), "***") || strings.ContainsAny(strings.TrimPrefix(kept, "535 5.7.8"), "%=&+") {
							t.Fatalf("%s: of %q is kept %q", name, said, kept)
						}
					}
				}
			}
		}
	}
	if kept := conceal("535 =68=75nter2, hun=\r\n", []string{"hunter2"}); !strings.HasSuffix(kept, "***, hun=") {
		t.Error(kept)
	}
	if kept := conceal("535-no hun=\r\n535 =74er2\r\n", []string{"hunter2"}); strings.Contains(kept, "er2") {
		t.Error(kept)
	}
}

// A host may cut a secret off: six octets of its beginning are hidden, except for an ordinary word. See minCut.
func TestConcealedWhereItIsCutOff(t *testing.T) {
	for _, c := range []struct{ password, said, kept string }{
		{"hunter2hunter", "no hunter2hunte...", "no ***..."},
		{"hunter2hunter", "no hunter2!", "no ***!"},
		{"hunter2hunter", "no hunter", "no hunter"}, // seven letters at most
		{"hunter2", "no hunter.", "no ***."},        // all but one
		{"hunter2hunter", "no h%75nter2.", "no ***."},
		{"hunter2hunter", "no hunter2... nor hunter2hun...", "no ***... nor ***..."},
		{"correct horse battery", "no correct ho...", "no ***..."},
		{"correct horse battery", "that is correct", "that is correct"},
		{"password1", "password refused", "password refused"},
		{"password1", "password1 refused", "*** refused"},
		{"password12345", "password123 refused", "*** refused"},
		{"authentication7", "authentication failed: authenticat", "authentication failed: ***"},
		{"authentic!7", "authentic! failed", "*** failed"},
		{"Xk3-_9", "no Xk3-_", "no Xk3-_"},
		{"Xk3-_9q", "no Xk3-_9", "no ***"},
	} {
		hide := []string{c.password, base64.StdEncoding.EncodeToString([]byte(c.password))}
		if kept := conceal("535 5.7.8 "+c.said+"\r\n", hide); !strings.HasPrefix(kept, "535 5.7.8 "+c.kept+"\n") {
			t.Errorf("%s: of %q is kept %q, want %q", c.password, c.said, kept, c.kept)
		}
	}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00me@example.org\x00hunter2hunter"))
	for n := minCutWord; n < len(plain); n++ {
		if kept := conceal("535 no "+plain[:n]+"...\r\n", []string{"hunter2hunter", plain}); !strings.Contains(kept, "535 no ***...") {
			t.Errorf("of %q is kept %q", plain[:n], kept)
		}
	}
}

// Words that are no secret stay as they are.
func TestNothingToConceal(t *testing.T) {
	hide := []string{"hunter2", base64.StdEncoding.EncodeToString([]byte("hunter2")), base64.StdEncoding.EncodeToString([]byte("\x00me\x00hunter2"))}
	for _, said := range []string{"535-5.7.8 authentication failed:  hunte\r\n535 5.7.8 see https://example.org/?u=me\r\n", "250 ok\r\n", "hunt\r\n250 e\r\n", "535 =68=75 100% of &lt;me&gt;\r\n"} {
		if kept := conceal(said, hide); strings.Contains(kept, "***") {
			t.Errorf("of %q is kept %q", said, kept)
		}
	}
	if kept := conceal("535-5.7.8 no  hun \r\n535 5.7.8  ter2  then\r\n", hide); kept != "535-5.7.8 no  *** \n535 5.7.8  ***  then\n\n<nil>\nno  ***   ***  then" {
		t.Errorf("%q", kept)
	}
}
