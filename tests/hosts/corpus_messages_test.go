package hosts

import (
	"fmt"
	"strings"
)

// A corpusCase is a message as some program hands it to sendmail.
type corpusCase struct {
	name string
	args []string
	in   string
}

// A shape is how one kind of program writes a message: its header, which names to@example.net, its
// body, and how it calls sendmail.
type shape struct {
	name, header, body string
	args               []string
}

var shapes = []shape{
	{"php", "To: to@example.net\nSubject: Your order 4711\nX-PHP-Originating-Script: 33:shop.php\nFrom: shop@example.org\n",
		"Thank you for your order.\nIt leaves us tomorrow.\n", []string{"-t", "-i"}},
	{"phpmailer", "Date: Sat, 21 Nov 2026 10:00:00 +0100\nTo: Ann <to@example.net>\nFrom: Shop <shop@example.org>\nSubject: =?iso-8859-1?Q?Gr=FC=DFe?=\nMessage-ID: <0011223344@shop.example.org>\nX-Mailer: PHPMailer 6.6\nMIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n",
		"Good morning,\n\nthe form was sent.\n", []string{"-t"}},
	{"perl", "MIME-Version: 1.0\nContent-Transfer-Encoding: binary\nContent-Type: text/plain\nX-Mailer: MIME::Lite 3.033\nDate: Sat, 21 Nov 2026 10:00:00 UT\nFrom: robot@example.org\nTo: to@example.net\nSubject: nightly figures\n",
		"visits: 12\nerrors: 0\n", []string{"-t", "-oi", "-oem"}},
	{"python", "Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: 7bit\nMIME-Version: 1.0\nSubject: job done\nFrom: Job Runner <jobs@example.org>\nTo: to@example.net\n",
		"The job ran for 3 s.\n", []string{"-oi", "-t"}},
	{"java", "Date: Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\nFrom: app@example.org\nTo: to@example.net\nMessage-ID: <1.0.1795255200000@app>\nSubject: Report\nMIME-Version: 1.0\nContent-Type: multipart/mixed;\n\tboundary=\"----=_Part_0_1.2\"\n",
		"------=_Part_0_1.2\nContent-Type: text/plain\n\nSee the report.\n------=_Part_0_1.2--\n", []string{"-i", "to@example.net"}},
	{"windows", "From: \"Office PC\" <office@example.org>\nTo: <to@example.net>\nSubject: Scan from the office\nDate: Sat, 21 Nov 2026 10:00:00 +0100\nX-Mailer: Microsoft Outlook 16.0\nThread-Index: AdpAbCdEf\nContent-Language: en\n",
		"The scan is ready.\n\n", []string{"-i", "to@example.net"}},
	{"exchange", "Received: from MBX1.example.org ([192.0.2.7]) by\n MBX2.example.org with mapi id 15.20; Sat, 21 Nov 2026\n 09:00:00 +0000\nFrom: Ann Doe <ann@example.org>\nTo: to@example.net\nSubject: RE: meeting\nThread-Topic: meeting\nX-MS-Has-Attach:\nX-MS-TNEF-Correlator:\nDate: Sat, 21 Nov 2026 09:00:00 +0000\nMessage-ID: <DB7PR04@MBX1.example.org>\nAccept-Language: en-GB, en-US\n",
		"Fine with me.\n\n________________________________\nFrom: Bob\n", []string{"-i", "to@example.net"}},
	{"phone", "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: quoted-printable\nFrom: Ann <ann@example.org>\nMime-Version: 1.0 (1.0)\nDate: Sat, 21 Nov 2026 10:00:00 +0100\nSubject: on my way\nMessage-Id: <6B0F@example.org>\nTo: to@example.net\nX-Mailer: iPhone Mail (22A3370)\n",
		"Ten minutes.=20\n\nSent from my phone\n", []string{"-i", "to@example.net"}},
	{"cron", "From: root (Cron Daemon)\nTo: to@example.net\nSubject: Cron <root@vm> /usr/local/bin/backup\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\nX-Cron-Env: <LOGNAME=root>\n",
		"3 files saved\n", []string{"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "to@example.net"}},
	{"mdadm", "From: mdadm monitoring <root>\nTo: to@example.net\nSubject: DegradedArray event on /dev/md0:vm\n",
		"This is an automatically generated mail message.\n\nA DegradedArray event had been detected.\n", []string{"-t"}},
	{"git", "From: Ann Doe <ann@example.org>\nTo: to@example.net\nCc: list@example.net\nSubject: [PATCH 1/2] spool: sync the directory\nDate: Sat, 21 Nov 2026 10:00:00 +0100\nMessage-ID: <20261121090000.1-1-ann@example.org>\nX-Mailer: git-send-email 2.39.5\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n",
		"A rename is not durable before that.\n---\n a | 1 +\n\n--\n2.39.5\n", []string{"-i", "to@example.net", "list@example.net"}},
	{"shell", "Subject: hello\n", "hello\n.\nFrom here on it is text\n", []string{"-i", "to@example.net"}},
}

// A lineEnd is how a program ends lines.
type lineEnd struct {
	name  string
	apply func(header, body string) string
}

// all makes every line end, also that of the blank line, the same.
func all(end string) func(header, body string) string {
	return func(header, body string) string { return strings.ReplaceAll(header+"\n"+body, "\n", end) }
}

var lineEnds = []lineEnd{
	{"LF", all("\n")},
	{"CRLF", all("\r\n")},
	{"CRCRLF", all("\r\r\n")},
	{"CRLF and LF", func(h, b string) string { return strings.ReplaceAll(h+"\n", "\n", "\r\n") + b }},
	{"LF and CRLF", func(h, b string) string { return h + "\n" + strings.ReplaceAll(b, "\n", "\r\n") }},
	{"no last end", func(h, b string) string { return h + "\n" + strings.TrimRight(b, "\n") }},
}

// A trouble is what may be odd in a message.
type trouble struct {
	name  string
	apply func(header, body string) (string, string)
}

func addField(field string) func(h, b string) (string, string) {
	return func(h, b string) (string, string) { return h + field + "\n", b }
}

func before(text string) func(h, b string) (string, string) {
	return func(h, b string) (string, string) { return text + h, b }
}

func addBody(text string) func(h, b string) (string, string) {
	return func(h, b string) (string, string) { return h, b + text }
}

var troubles = []trouble{
	{"plain", func(h, b string) (string, string) { return h, b }},
	{"Bcc", addField("Bcc: secret@example.com")},
	{"folded Bcc", addField("bcc:\n secret@example.com,\n\tSecret Two <secret2@example.com>")},
	{"blank before colon", addField("Bcc : secret@example.com")},
	{"Bcc first", before("Bcc: secret@example.com\n")},
	{"empty Bcc", addField("Bcc:")},
	{"lone CR", addField("X-Note: one\rBcc: secret@example.com")},
	{"lone CR in a fold", addField("X-Note: one\n two\rthree")},
	{"CR before a field", addField("X-Note: one\n\rX-Next: two")},
	{"lone CR in the body", addBody("50%\r100%\rdone\n")},
	{"NUL in a field", addField("X-Note: a\x00b")},
	{"NUL in the body", addBody("a\x00b\nc\n")},
	{"byte order mark", before("\ufeff")},
	{"From_ line", before("From ann@example.org Sat Nov 21 10:00:00 2026\n")},
	{">From_ line", before(">From ann@example.org Sat Nov 21 10:00:00 2026\n")},
	{"blank line first", before("\n")},
	{"blank first", before(" ")},
	{"no blank line", func(h, b string) (string, string) { return h + "This is no field\n" + h, b }},
	{"no body", func(h, b string) (string, string) { return h, "" }},
	{"no header", func(h, b string) (string, string) { return "", b }},
	{"empty To", addField("To:")},
	{"empty Cc", addField("Cc: ")},
	{"empty Subject", func(h, b string) (string, string) {
		return strings.ReplaceAll(h, "Subject: ", "X-Subject: ") + "Subject:\n", b
	}},
	{"long body line", addBody(strings.Repeat("0123456789", 120) + "\n")},
	{"long field", addField("X-Long: " + strings.Repeat("0123456789 ", 120))},
	{"long word", addField("X-Long: " + strings.Repeat("0123456789", 120))},
	{"100 kB of fields", addField(strings.TrimSuffix(strings.Repeat("X-Many: of these\n", 6000), "\n"))},
	{"1 MB field", addField("X-Large:" + strings.Repeat("\n "+strings.Repeat("x", 70), 14000))},
	{"folds of blanks", addField("X-Note: a\n \n \t\n b")},
	{"fold at once", addField("X-Note:\n\ta\n\tb")},
	{"8-bit header", addField("X-Note: Gr\xc3\xbc\xc3\x9fe")},
	{"Latin-1 header", addField("X-Note: Gr\xfc\xdfe")},
	{"8-bit body", addBody("Gr\xc3\xbc\xc3\x9fe\n")},
	{"Latin-1 body", addBody("Gr\xfc\xdfe\n")},
	{"bare Cc", addField("Cc: root, joe")},
	{"bare Reply-To", addField("Reply-To: joe (Joe)")},
	{"twice the same", addField("Cc: to@example.net, to@EXAMPLE.NET")},
	{"group", addField("Cc: Team: one@example.net, two@example.net;")},
	{"undisclosed", addField("Cc: undisclosed-recipients:;")},
	{"comment", addField("Cc: one@example.net (one, not two)")},
	{"quoted comma", addField("Cc: \"Doe, John\" <one@example.net>")},
	{"route", addField("Cc: <@relay.example.org:one@example.net>")},
	{"semicolons", addField("Cc: one@example.net; two@example.net")},
	{"two words", addField("Cc: two words, one@example.net")},
	{"two To", addField("To: one@example.net")},
	{"two From", addField("From: other@example.org")},
	{"Sender", addField("Sender: joe")},
	{"resent", before("Resent-From: ann@example.org\nResent-To: new@example.net\n")},
	{"resent Bcc", before("Resent-From: ann@example.org\nResent-To: new@example.net\nResent-Bcc: secret@example.com\n")},
	{"Return-Path", before("Return-Path: <bounce@example.org>\n")},
	{"Errors-To", addField("Errors-To: root")},
	{"signed", before("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=From:To:Date:Message-ID:Reply-To;\n bh=AAAA; b=BBBB\n")},
	{"dot lines", addBody(".\n..\n.x\n")},
	{"From in the body", addBody("From me to you\n>From you to me\n")},
	{"tab after the colon", addField("X-Note:\tx")},
	{"nothing after the colon", addField("X-Note:x")},
	{"odd field name", addField("X_Note/1: x")},
	{"control characters", addField("X-Note: a\x07\x1bb\x7fc")},
	{"trailing blanks", addField("X-Note: a  \t ")},
	{"form feed", addBody("\f\nx\v\n")},
}

// corpus combines every trouble with four shapes and every shape with all line ends, in such a way
// that each pair of a trouble and a line end occurs.
func corpus() []corpusCase {
	var cases []corpusCase
	seen := map[string]bool{}
	add := func(s shape, e lineEnd, tr trouble) {
		name := fmt.Sprintf("%s, %s, %s", s.name, e.name, tr.name)
		if seen[name] {
			return
		}
		seen[name] = true
		h, b := tr.apply(s.header, s.body)
		cases = append(cases, corpusCase{name, s.args, e.apply(h, b)})
	}
	for i, tr := range troubles {
		for j, e := range lineEnds {
			add(shapes[(i+5*j)%len(shapes)], e, tr)
		}
	}
	for _, s := range shapes {
		for _, e := range lineEnds {
			add(s, e, troubles[0])
		}
		add(s, lineEnds[0], troubles[1])
	}
	whole := func(name, in string, args ...string) {
		cases = append(cases, corpusCase{name, args, in})
	}
	for _, end := range []string{"\r", "\n\r"} {
		text := strings.ReplaceAll("From: ann@example.org\nTo: to@example.net\nBcc: secret@example.com\nSubject: x\n\nbody\n", "\n", end)
		whole(fmt.Sprintf("all lines end in %q, -t", end), text, "-t")
		whole(fmt.Sprintf("all lines end in %q", end), text, "to@example.net", "secret@example.com")
	}
	whole("nothing", "", "to@example.net")
	whole("nothing, -t", "", "-t")
	whole("one line", "hello", "to@example.net")
	whole("a blank line", "\n", "to@example.net")
	whole("UTF-16", "\xff\xfeF\x00r\x00o\x00m\x00:\x00 \x00a\x00\n\x00", "to@example.net")
	whole("no recipients", "From: ann@example.org\nSubject: x\n\nx\n", "-t")
	whole("only Bcc", "From: ann@example.org\nBcc: to@example.net\n\nx\n", "-t")
	whole("only a bad recipient", "From: ann@example.org\nTo: two words\n\nx\n", "-t")
	whole("-t and an argument", "From: ann@example.org\nTo: to@example.net\n\nx\n", "-t", "one@example.net")
	whole("a list as one argument", "From: ann@example.org\n\nx\n", "to@example.net,one@example.net")
	return cases
}
