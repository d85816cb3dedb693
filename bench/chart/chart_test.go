package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

const observed = `{"measure":"machine","cpus":2}
{"measure":"link","program":"(limit)","messages":100,"rtt_s":0.2,"chunking":true,"wall_s":1.8}
{"measure":"link","program":"esmtpq","case":"known host","messages":100,"chunking":true,"wall_s":0.05}
{"measure":"link","program":"esmtpq","case":"known host","messages":100,"rtt_s":0.2,"chunking":true,"wall_s":1.9}
{"measure":"link","program":"esmtpq","case":"known host","messages":100,"rtt_s":0.2,"chunking":true,"wall_s":2.0}
{"measure":"link","program":"esmtpq","case":"known host","messages":100,"rtt_s":0.2,"chunking":true,"wall_s":9}
{"measure":"link","program":"<peer>","messages":100,"rtt_s":0.2,"chunking":true,"wall_s":240}
{"measure":"drain","program":"esmtpq","messages":100,"wall_s":77}
`

func TestChart(t *testing.T) {
	var b strings.Builder
	if err := chart(&b, strings.NewReader(observed)); err != nil {
		t.Fatal(err)
	}
	svg := b.String()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
	at := 0
	// the fastest first, each with the median at its longest round trip
	for _, want := range []string{"100 messages", "RTT 0 ms", "RTT 200 ms", ">limit of one connection, BDAT<", ">1.8<",
		">esmtpq, host with CHUNKING<", ">2<", ">&lt;peer&gt;<", ">240<"} {
		i := strings.Index(svg[at:], want)
		if i < 0 {
			t.Fatalf("%s is missing, or out of order, in\n%s", want, svg)
		}
		at += i
	}
	if strings.Contains(svg, ">77<") || strings.Contains(svg, ">9<") {
		t.Errorf("what should not be drawn is in\n%s", svg)
	}
}

func TestChartOfNothing(t *testing.T) {
	for _, in := range []string{"", `{"measure":"drain","wall_s":1}`, "no JSON"} {
		if err := chart(io.Discard, strings.NewReader(in)); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}
