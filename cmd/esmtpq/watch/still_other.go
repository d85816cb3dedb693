//go:build !linux || !amd64

package watch

// A still would keep the runtime from waking up once a minute.
type still struct{}

var stillness still

func (still) enter() {}
func (still) leave() {}
