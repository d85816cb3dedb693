package deliver

import (
	"cmp"
	"fmt"
	"strings"

	"esmtpq/identity"
	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// Cure implements queue.Curer: it names the place in the configuration.
func (r *router) Cure(destination string, why *queue.Report) string {
	r.mu.Lock()
	route, ok := r.ways[destination]
	r.mu.Unlock()
	switch {
	case !ok:
		return ""
	case route.Identity == nil:
		return fmt.Sprintf("mend mda in %s, then type deliver", route.Config.File)
	case route.Identity.Command != "":
		line := route.Config.LineOf(route.Identity, "command")
		return fmt.Sprintf("see why the command fails: %s, then type deliver", place(route.Config.File, line))
	case strings.HasSuffix(why.Status, ".3.5"):
		return fmt.Sprintf("mend %s, then type deliver", route.Config.File)
	}
	id, file := route.Identity, route.Config.File
	switch why.Mend {
	case queue.MendLogin:
		if id.Username == "" && strings.Contains(strings.ToUpper(why.Text), "STARTTLS") {
			line := cmp.Or(route.Config.LineOf(id, "tls"), route.Config.LineOf(id, "host"))
			return fmt.Sprintf("set tls: starttls in %s, then type deliver", place(file, line))
		}
	case queue.MendSender:
		return fmt.Sprintf("mend reverse_path in %s, then type deliver", place(file, route.Config.LineOf(id, "reverse_path")))
	case queue.MendName:
		return fmt.Sprintf("set helo in %s to a name that the host takes, then type deliver", place(file, route.Config.LineOf(id, "helo")))
	}
	if help := smtp.KnownHelp(why.Text); help != "" {
		return help // and no other password
	}
	if cure := id.LoginCure(); cure != "" && why.Code != 0 {
		return cure // as the report has it
	}
	return strings.TrimSuffix(loginCure(id, place(file, id.LoginLine), why), thenDeliver) + thenDeliver
}

// loginCure says how to mend a login that the host has not refused, or whose secret is not from the
// configuration.
func loginCure(id *identity.Identity, place string, why *queue.Report) string {
	noSecret := why.Code == 0 && identity.SaysUnavailable(why.Text)
	run := strings.LastIndex(why.Text, "run: esmtpq ")
	switch {
	case noSecret && run >= 0: // the reason has it
		return why.Text[run:]
	case noSecret && strings.Contains(why.Text, "at the desktop"):
		return "log in at the desktop, or unlock the keyring there"
	case id.Username == "":
		return "give a username and a password in " + place
	case id.TokenCommand != "" && noSecret:
		return "see why the token command fails: " + place
	case id.PasswordCommand != "" && noSecret:
		return "see why the password command fails: " + place
	}
	return "correct " + place
}

const thenDeliver = ", then type deliver"

func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s line %d", file, line)
}
