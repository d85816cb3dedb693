//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

func TestServicesOfPostfix(t *testing.T) {
	got := quietServices("# comment\nsmtp      inet  n       -       y       -       -       smtpd\n" +
		"#smtp      inet  n       -       y       -       1       postscreen\n" +
		"cleanup   unix  n       -       y       -       0       cleanup\n  -o some=option\n")
	if want := "# comment\ncleanup unix n - n - 0 cleanup\n  -o some=option\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestPatch(t *testing.T) {
	p := patch(7, linkMessages, linkSize)
	if len(p) > linkSize || len(p) < linkSize-100 {
		t.Errorf("%d octets", len(p))
	}
	for _, part := range []string{"From 0", "\nX-Seq: 7\n", "\nSubject: [PATCH 7/100] ", "\n-- \n"} {
		if !bytes.Contains(p, []byte(part)) {
			t.Errorf("%q is missing in\n%s", part, p)
		}
	}
}

func TestStatus(t *testing.T) {
	const status = "Name:\tsmtp\nVmPeak:\t   9000 kB\nVmHWM:\t    5432 kB\nVmRSS:\t    1234 kB\n"
	if statusKiB(status, "VmHWM") != 5432 || statusKiB(status, "VmRSS") != 1234 || statusKiB("Name:\tkthreadd\n", "VmRSS") != 0 {
		t.Error(statusKiB(status, "VmHWM"), statusKiB(status, "VmRSS"))
	}
}

// Version 2 of control groups counts microseconds, version 1 nanoseconds.
func TestGroupCPU(t *testing.T) {
	g := group{dir: t.TempDir()}
	if g.cpu() >= 0 {
		t.Error("CPU time of nothing")
	}
	write(t, g.dir+"/cpu.stat", "usage_usec 1500000\nuser_usec 1\n")
	if g.cpu() != 1.5 {
		t.Error(g.cpu())
	}
	write(t, g.dir+"/cpuacct.usage", "2500000000\n")
	if g.cpu() != 2.5 {
		t.Error(g.cpu())
	}
}

func TestGroupMemory(t *testing.T) {
	g := group{dir: t.TempDir()}
	write(t, g.dir+"/cgroup.procs", fmt.Sprintf("%d\n999999999\n", os.Getpid()))
	done := g.taking()
	if _, one, all := done(); one <= 0 || all <= 0 {
		t.Error(one, all)
	}
	var none *group
	if cpu, one, all := none.taking()(); cpu != 0 || one != 0 || all != 0 || none.path() != "" {
		t.Error(cpu, one, all)
	}
	none.remove()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
