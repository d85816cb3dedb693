package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 123e6, time.UTC)

func example(id string) Record {
	return Record{
		Time: noon, ID: id, Event: Relayed, To: []string{"a@example.net", `"b \"c"@example.net`}, Arrival: noon.Add(-time.Second),
		Sender: "me@example.org", MessageID: "<1@example.org>", Size: 1234, Identity: "me@example.org", Rule: "address me@example.org",
		Host: "mx.example.org", TLS: "TLS 1.3, TLS_AES_128_GCM_SHA256", Code: 250, Status: "2.0.0", Text: "queued as ABC <é>", MailFrom: "<>",
	}
}

func readAll(t *testing.T, dir string) (all []Record) {
	t.Helper()
	r := Reader{Dir: dir}
	if err := r.Poll(func(rec *Record, _ []byte) { all = append(all, *rec) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// A record is what encoding/json would read and write.
func TestRecordIsJSON(t *testing.T) {
	want := example("A")
	line := want.appendLines(nil)
	var got Record
	if err := json.Unmarshal(line, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v, want\n%+v", err, got, want)
	}
	again, err := json.Marshal(got)
	var a, b any
	if err != nil || json.Unmarshal(again, &a) != nil || json.Unmarshal(line, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%v: %s and %s", err, line, again)
	}
}

// What comes from outside is printable and short, and very many recipients are several lines.
func TestRecordIsPrintableAndShort(t *testing.T) {
	r := example("A")
	r.Text, r.To = "\x1b[31m"+strings.Repeat("é", 5000), make([]string, 250)
	for i := range r.To {
		r.To[i] = fmt.Sprintf("a%d\u202e@example.net", i)
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(r.appendLines(nil), []byte("\n")), []byte("\n"))
	if len(lines) != 3 {
		t.Fatalf("%d lines for 250 recipients", len(lines))
	}
	for _, line := range lines {
		if len(line) > 16<<10 || bytes.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("a line of %d octets: %.100q", len(line), line)
		}
	}
}

// Several writers, torn lines, and what is not ours: each record is read once, in order.
func TestTornLinesAndManyWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "h")
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			l := &Log{Dir: dir}
			defer l.Close()
			for i := range 50 {
				if err := l.Append(example(fmt.Sprintf("%d-%d", w, i)), example(fmt.Sprintf("%d-%d+", w, i))); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wait.Wait()
	if n := len(readAll(t, dir)); n != 400 {
		t.Fatalf("%d records, want 400", n)
	}
	file := filepath.Join(dir, "2026-11-30")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	for cut := last; cut < len(text); cut += 7 { // wherever a full disk or a power cut tears the last line
		if err := os.WriteFile(file, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := &Log{Dir: dir}
		if err := l.Append(example("next")); err != nil {
			t.Fatal(err)
		}
		l.Close()
		all := readAll(t, dir)
		if n := len(all); n != 400 || all[n-1].ID != "next" {
			t.Fatalf("cut at %d of %d: %d records, the last is %s", cut, len(text), n, all[n-1].ID)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "2026-11-30.x"), []byte("no\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Reader{Dir: dir}
	for range 2 {
		if err := r.Poll(func(*Record, []byte) {}); err != nil {
			t.Error(err)
		}
	}
	if err := r.Poll(func(*Record, []byte) { t.Error("a record is read twice") }); err != nil {
		t.Error(err)
	}
}

// The log is bounded: by the size of a file, by that of all, and by age, unless the clock has only
// jumped.
func TestBounds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "h")
	l := &Log{Dir: dir}
	for _, day := range []int{-40, -20, 0} {
		rec := example("A")
		rec.Time = noon.AddDate(0, 0, day)
		if err := l.Append(rec); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	names := func() string {
		all, err := segments(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range all {
			names = append(names, s.path())
		}
		return strings.Join(names, " ")
	}
	month := 30 * 24 * time.Hour
	if err := Prune(dir, month, noon.AddDate(70, 0, 0)); err != nil || names() != "2026-11-10 2026-11-30" {
		t.Errorf("a clock that has jumped: %v, %s", err, names())
	}
	if err := Prune(dir, month, noon); err != nil || names() != "2026-11-10 2026-11-30" {
		t.Errorf("%v, %s", err, names())
	}
	for _, name := range []string{"2026-11-29", "2026-11-29.1", "2026-11-29.2"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, name), maxTotal/2); err != nil {
			t.Fatal(err)
		}
	}
	if err := Prune(dir, month, noon); err != nil || names() != "2026-11-29.2 2026-11-30" {
		t.Errorf("too large: %v, %s", err, names())
	}
	if err := os.Truncate(filepath.Join(dir, "2026-11-30"), maxFile); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(example("B")); err != nil || names() != "2026-11-29.2 2026-11-30 2026-11-30.1" {
		t.Errorf("a full file: %v, %s", err, names())
	}
	l.Close()
	if Forget(dir); spoolExists(dir) {
		t.Error("the log is still there")
	}
}

func spoolExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// EventOf tells a refusal from the end of the patience.
func TestEventOf(t *testing.T) {
	for want, r := range map[Event]spool.Report{
		Relayed: {Action: spool.Relayed}, Delivered: {Action: spool.Delivered}, Delayed: {Action: spool.Delayed},
		Unsure: {Action: spool.Delayed, Unsure: true}, Failed: {Action: spool.Failed, Status: "5.1.1"}, Expired: {Action: spool.Failed, Status: "4.2.1"},
	} {
		if got := EventOf(&r); got != want {
			t.Errorf("%+v is %s", r, got)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	l := &Log{Dir: filepath.Join(b.TempDir(), "h")}
	for b.Loop() {
		if err := l.Append(example("0660D0D76A5B2C01")); err != nil {
			b.Fatal(err)
		}
	}
}
