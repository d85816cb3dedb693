package command

import (
	"path"
	"strings"
)

// PreconnectRemarks says what may be wrong with a preconnect line, for the person to judge.
func PreconnectRemarks(line string) []string {
	words := strings.Fields(line)
	for i, w := range words {
		if path.Base(w) != "ssh" {
			continue
		}
		switch flags := sshFlags(words[i+1:]); {
		case !strings.Contains(flags, "N"):
		case strings.Contains(flags, "f") || strings.Contains(line, "&"):
			return []string{"ssh -N goes on after the session, and keeps the port; 'sleep 5' in place of -N ends by itself when it is no longer used"}
		default:
			return []string{"ssh -N does not end, and no session begins before the line ends: write -f, and 'sleep 5' in place of -N"}
		}
	}
	return nil
}

// sshFlags returns the letters of ssh's options up to the name of the host.
func sshFlags(words []string) string {
	const withValue = "BbcDEeFIiJLlmOoPpQRSWw"
	flags := ""
	for i := 0; i < len(words) && len(words[i]) > 1 && words[i][0] == '-'; i++ {
		for k, letter := range words[i][1:] {
			if strings.ContainsRune(withValue, letter) {
				if k == len(words[i])-2 {
					i++ // the value is the next word
				}
				break
			}
			flags += string(letter)
		}
	}
	return flags
}
