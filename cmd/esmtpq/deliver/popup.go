package deliver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"esmtpq/helper"
)

// popUpLimit bounds the program that shows a notice on the screen.
const popUpLimit = 5 * time.Second

// screen returns the program that shows a notice on the owner's screen, "" if there is no screen.
func screen() string {
	if runtime.GOOS == "darwin" {
		path, _ := exec.LookPath("osascript")
		return path
	}
	for _, name := range [...]string{"DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"} {
		if os.Getenv(name) != "" {
			path, _ := exec.LookPath("notify-send")
			return path
		}
	}
	return ""
}

// popUp shows a notice on the owner's screen.
func (n *notifier) popUp(ctx context.Context, words wording) error {
	c := helper.Command{Argv: popUpCommand(screen(), words.subject, words.reasons, words.more), Limit: popUpLimit}
	name := filepath.Base(c.Argv[0])
	exit, err := c.Run(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return exit.Err(name)
}

// popUpCommand returns the command that shows a notice. No text of a host becomes part of a script.
func popUpCommand(program, subject, reasons, more string) []string {
	if filepath.Base(program) == "osascript" {
		return []string{program, "-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run", "--", subject, reasons + more}
	}
	// Some programs that show the body take it for markup.
	body := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(reasons)
	return []string{program, "--", subject, body + more}
}
