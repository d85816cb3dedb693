package process

// Setenv returns env with one variable set.
func Setenv(env []string, name, value string) []string {
	out := make([]string, 0, len(env)+1)
	for _, e := range env {
		if len(e) <= len(name) || e[len(name)] != '=' || e[:len(name)] != name {
			out = append(out, e)
		}
	}
	return append(out, name+"="+value)
}
