package main

import (
	"os"
	"strings"
	"testing"
)

// Each verb has help, and is in the manual page.
func TestVerbsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/esmtpq.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range table().Entries {
		if v.Help == "" || v.Verb == nil {
			t.Errorf("verb %s has no help or does nothing", v.Name)
		}
		item := "\n.It Cm " + v.Name
		if !strings.Contains(string(page), item+"\n") && !strings.Contains(string(page), item+" ") {
			t.Errorf("docs/esmtpq.1 has no item for %s", v.Name)
		}
	}
}
