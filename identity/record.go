package identity

import (
	"path/filepath"
	"strings"

	"esmtpq/identity/tree"
)

// Settings about what is kept and told of mail.

// HookEvents are the events after which a command of the person's can be run.
var HookEvents = []string{"queued", "sent", "deferred", "failed", "suspended", "recovered"}

// Where log lines can go besides a file.
const (
	LogSyslog  = "syslog"
	LogJournal = "journal"
)

// logTarget reads where log lines go.
func (r *yamlReader) logTarget(v *tree.Node, path string) string {
	switch v.Text {
	case "none":
		return ""
	case LogSyslog, LogJournal:
		return v.Text
	}
	if v.Kind == tree.Text && !strings.HasPrefix(v.Text, "/") && !strings.HasPrefix(v.Text, "~/") {
		r.fail(v.Line, "%s should be syslog, journal, none, or a file that begins with / or ~/", path)
		return ""
	}
	return r.filePath(v, path)
}

// folder reads the path of a folder of mail. A slash at its end says that it is a Maildir.
func (r *yamlReader) folder(v *tree.Node, path string) string {
	file := r.filePath(v, path)
	if file == "" {
		return ""
	}
	if strings.HasSuffix(v.Text, "/") {
		return filepath.Clean(file) + "/"
	}
	return filepath.Clean(file)
}

// hooks reads the commands by event.
func (r *yamlReader) hooks(v *tree.Node, path string) map[string]string {
	all := map[string]string{}
	r.mapping(v, path, func(key string, v *tree.Node) bool {
		for _, event := range HookEvents {
			if key == event {
				all[key] = r.text(v, path+"."+key)
				return true
			}
		}
		return false
	})
	return all
}

// addHooks adds the commands by event.
func (c *Config) addHooks(root *tree.Node) {
	if len(c.Hooks) == 0 {
		return
	}
	hooks := &tree.Node{Kind: tree.Map}
	for _, event := range HookEvents {
		addText(hooks, event, c.Hooks[event])
	}
	add(root, "hooks", hooks)
}
