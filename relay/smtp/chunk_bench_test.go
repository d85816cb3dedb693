package smtp

import (
	"strings"
	"testing"
)

func BenchmarkChunks(b *testing.B) {
	line := strings.Repeat("x", 70)
	for name, text := range map[string]string{
		"LF":   strings.Repeat(line+"\n", 1<<14),
		"CRLF": strings.Repeat(line+"\r\n", 1<<14),
	} {
		b.Run(name, func(b *testing.B) {
			var c chunker
			size := int64(len(line)+2) << 14
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				c.begin(strings.NewReader(text), size)
				for last := false; !last; {
					var err error
					if _, last, err = c.next(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
