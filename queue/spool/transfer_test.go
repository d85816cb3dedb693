package spool

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
)

// What a run shows is seen while it has its lock, and not after.
func TestTransfers(t *testing.T) {
	q := newQueue(t)
	other := again(t, q)
	if _, err := q.LockRun(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	var many []Transfer
	for i := range 100 {
		many = append(many, Transfer{fmt.Sprintf("%016X", i), int64(i), 1 << 40})
	}
	for i, all := range [][]Transfer{nil, many, many[:2], nil, many[5:6], many} {
		takes := i%2 > 0
		q.DeclareRun(takes, false)
		q.ShowTransfers(all)
		if other.takesNotes() != takes {
			t.Errorf("what the run is for is lost: %t", !takes)
		}
		want := map[string]Transfer{}
		for _, tr := range all {
			want[tr.ID] = tr
		}
		if got := other.Transfers(); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	q.UnlockRun()
	if got := other.Transfers(); len(got) > 0 {
		t.Errorf("after the run: %v", got)
	}
}

// Whatever is in the file, nothing but transfers comes of it.
func TestTransfersOfGarbage(t *testing.T) {
	q := newQueue(t)
	other := again(t, q)
	if _, err := q.LockRun(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	defer q.UnlockRun()
	for text, want := range map[string]int{
		"":                                  0,
		"0123456789ABCDEF 1 2\n.\n":         1,
		"0123456789ABCDEF 1 2":              0, // cut short
		"0123456789ABCDEF 1 2\nhalf":        1,
		"0123456789ABCDEF 1 2\n\x1b[2J\n":   1,
		"0123456789abcdef 1 2\n":            0,
		"../../../etc/pas 1 2\n":            0,
		"0123456789ABCDEF x 2\n":            0,
		strings.Repeat("x", 1<<20) + " 1 2": 0,
	} {
		if err := os.WriteFile(q.path(runFile), []byte(takesNotes+text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := other.Transfers(); len(got) != want {
			t.Errorf("%.40q: %v", text, got)
		}
	}
}

func TestTransferString(t *testing.T) {
	for want, tr := range map[string]Transfer{
		"0 of 1 kB":        {"", 0, 1},
		"1 of 340 kB":      {"", 1, 340_000},
		"3.1 of 41.0 MB":   {"", 3_100_000, 41_000_000},
		"0.0 of 1200.0 MB": {"", 0, 1_200_000_000},
		"1000 of 1000 kB":  {"", 999_999, 999_999},
	} {
		if got := tr.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
