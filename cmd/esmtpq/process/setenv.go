package process

// Setenv returns env with one variable set.
func Setenv(env []string, name, value string) []string {
	return append(Unsetenv(env, name), name+"="+value)
}

// Unsetenv returns env without one variable.
func Unsetenv(env []string, name string) []string {
	out := make([]string, 0, len(env)+1) // Setenv adds one
	for _, e := range env {
		if len(e) <= len(name) || e[len(name)] != '=' || e[:len(name)] != name {
			out = append(out, e)
		}
	}
	return out
}
