package wire

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A program is one that sends mail by a sendmail.
type program struct {
	name    string
	comment string   // begins a comment in its file
	files   []string // its file below HOME: the first that is there, else the first; none if it is not a person's
	command []string // in place of a file: prints it, and with "-" behind it reads it
	replace string   // a setting that is replaced wherever it is; "" for lines at the end of the file
	section bool     // the setting belongs into every section of the file
	adds    bool     // what the setting says already stays, and ours stands behind it
	text    string   // the lines, with @ for the path of sendmail
	asks    []string // asks the program what it calls; nil if it cannot be asked
	whole   bool     // the file is to be ours alone
	on, off []string // commands that put the lines into force, and out of it before they go
}

// programs returns those that are known. What each of them makes of its line is in tests/clients.
func programs() []program {
	const mutt = "set sendmail=\"@ -oem -oi\"\n"
	return []program{
		{name: "mutt", comment: "#", files: []string{".muttrc", ".mutt/muttrc", ".config/mutt/muttrc"}, text: mutt, asks: []string{"mutt", "-Q", "sendmail"}},
		{name: "neomutt", comment: "#", files: []string{".config/neomutt/neomuttrc", ".neomuttrc", ".config/mutt/muttrc", ".muttrc"}, text: mutt, asks: []string{"neomutt", "-Q", "sendmail"}},
		{name: "git", comment: "#", files: []string{".gitconfig", ".config/git/config"}, text: "[sendemail]\n\tsendmailCmd = @\n", asks: []string{"git", "config", "--get", "sendemail.sendmailCmd"}},
		{name: "emacs", comment: ";;", files: []string{".emacs", ".emacs.d/init.el", ".config/emacs/init.el"}, text: `(setq sendmail-program "@"
      send-mail-function 'sendmail-send-it
      message-send-mail-function 'message-send-mail-with-sendmail
      message-interactive t)
`},
		{name: "aerc", comment: "#", files: []string{".config/aerc/accounts.conf"}, replace: "outgoing", section: true, text: "outgoing = @\n"},
		{name: "alpine", comment: "#", files: []string{".pinerc"}, replace: "sendmail-path", text: "sendmail-path=@ -oem -t -oi\n"},
		{name: "nmh", comment: "#:", files: []string{".mh_profile"}, replace: "send", adds: true, text: "send: -mts sendmail/smtp -sendmail @\n"},
		{name: "s-nail", comment: "#", files: []string{".mailrc"}, text: "set mta=@\n"},
		{name: "bsd-mailx", comment: "#", files: []string{".mailrc"}, text: "set sendmail=@\n"},
		{name: "cron", comment: "#", command: []string{"crontab"}, text: "@reboot @deliver\n*/10 * * * * @deliver\n"},
		{name: "systemd", comment: "#", files: []string{".config/systemd/user/esmtpq.service"}, text: unit, whole: true,
			on:  []string{"systemctl --user daemon-reload", "systemctl --user enable --now esmtpq.service"},
			off: []string{"systemctl --user disable --now esmtpq.service"}},
		{name: "php", comment: ";", text: "sendmail_path = \"@ -t -i\"\n"},
		{name: "himalaya", comment: "#", text: "message.send.backend.type = \"sendmail\"\nmessage.send.backend.cmd = \"@ -t -i\"\n"},
	}
}

func names() []string {
	var all []string
	for _, p := range programs() {
		all = append(all, p.name)
	}
	return all
}

func find(name string) *program {
	for _, p := range programs() {
		if p.name == name {
			return &p
		}
	}
	return nil
}

// lines returns what the program needs.
func (p *program) lines(sendmail string) string {
	deliver := filepath.Join(filepath.Dir(sendmail), "deliver")
	if _, err := os.Stat(deliver); err != nil {
		deliver = "deliver"
	}
	return strings.NewReplacer("@reboot", "@reboot", "@deliver", deliver, "@", sendmail).Replace(p.text)
}

// Our lines stand between these, so that they can be taken out again; what they replace stands
// between them, too, behind was.
const (
	begin = " esmtpq wire: begin"
	end   = " esmtpq wire: end"
	was   = " was: "
)

// put returns a file with our lines in it.
func (p *program) put(text, sendmail string) string {
	lines := p.lines(sendmail)
	if p.replace == "" {
		return ended(text) + p.block("", lines)
	}
	setting := regexp.MustCompile(`(?im)^[ \t]*` + p.replace + `[ \t]*[=:].*$\n?`)
	if setting.MatchString(text) {
		return setting.ReplaceAllStringFunc(text, func(old string) string {
			if _, ours, _ := strings.Cut(lines, " "); p.adds {
				return p.block(ended(old), strings.TrimSpace(old)+" "+ours)
			}
			return p.block(ended(old), lines)
		})
	}
	if !p.section {
		return ended(text) + p.block("", lines)
	}
	sections := regexp.MustCompile(`(?m)^\[.*\][ \t]*$\n?`)
	return sections.ReplaceAllStringFunc(text, func(head string) string { return ended(head) + p.block("", lines) })
}

func (p *program) block(old, lines string) string {
	if old != "" {
		old = p.comment + was + old
	}
	return p.comment + begin + "\n" + old + lines + p.comment + end + "\n"
}

// taken returns a file without our lines, and with what they had replaced.
func (p *program) taken(text string) string {
	c := regexp.QuoteMeta(p.comment)
	block := regexp.MustCompile(`(?ms)^` + c + begin + `\n(.*?)^` + c + end + `\n?`)
	return block.ReplaceAllStringFunc(text, func(ours string) string {
		first := strings.SplitAfter(ours, "\n")[1]
		if old, found := strings.CutPrefix(first, p.comment+was); found {
			return old
		}
		return ""
	})
}

// ended returns a text whose last line has an end.
func ended(text string) string {
	if text != "" && !strings.HasSuffix(text, "\n") {
		return text + "\n"
	}
	return text
}

// difference shows what changes, as diff does, without the passwords in addresses. Nothing changes
// but our blocks and what they replace.
func (p *program) difference(name, from, to string) string {
	d := diff{p.comment, strings.SplitAfter(from, "\n"), strings.SplitAfter(to, "\n"), fmt.Sprintf("--- %s\n+++ %s\n", name, name)}
	for len(d.old) > 0 || len(d.new) > 0 {
		switch {
		case len(d.old) > 0 && len(d.new) > 0 && d.old[0] == d.new[0]:
			d.old, d.new = d.old[1:], d.new[1:]
		case d.begins(d.new):
			d.block(&d.new, "+", &d.old, "-")
		case d.begins(d.old):
			d.block(&d.old, "-", &d.new, "+")
		default: // a line of a block that was there already
			d.say("-", &d.old)
			d.say("+", &d.new)
		}
	}
	return d.said
}

type diff struct {
	comment  string
	old, new []string
	said     string
}

func (d *diff) begins(lines []string) bool {
	return len(lines) > 0 && strings.TrimSpace(lines[0]) == d.comment+begin
}

// block says a block that only one of the two has, and the line of the other that it replaces.
func (d *diff) block(lines *[]string, sign string, others *[]string, other string) {
	if len(*lines) > 1 && strings.HasPrefix((*lines)[1], d.comment+was) {
		d.say(other, others)
	}
	for len(*lines) > 0 {
		last := strings.TrimSpace((*lines)[0]) == d.comment+end
		d.say(sign, lines)
		if last {
			return
		}
	}
}

func (d *diff) say(sign string, lines *[]string) {
	if len(*lines) == 0 {
		return
	}
	if line := (*lines)[0]; line != "" {
		d.said += sign + ended(hidden(line))
	}
	*lines = (*lines)[1:]
}

// hidden masks the user and password of an address such as smtps://me:secret@host.
func hidden(line string) string {
	return regexp.MustCompile(`://[^/\s]*@`).ReplaceAllString(line, "://***@")
}
