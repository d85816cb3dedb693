package queue

import (
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// A host that gives mail Message-IDs of its own breaks threads: what waits behind the mail names it by an ID
// that nobody else has seen. Such a host says the new one when it takes the mail, and the run remembers it,
// before it records that, for the mail that it draws next.

// renamings returns what is known of the Message-IDs of mail.
func (r *run) renamings() spool.Renamings {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.renamedRead {
		r.renamed, r.renamedRead = r.q.Renamings(), true
	}
	return slices.Clip(r.renamed)
}

// thread remembers the Message-ID that a host has given the message of a part, and returns its reports, with
// a remark where the message could not name others by theirs.
func (t *destination) thread(p *part, now time.Time) []Report {
	if !p.draw.renames {
		return p.reports
	}
	reports := slices.Clone(p.reports) // they may be the transport's
	for i := range reports {
		rep := &reports[i]
		if rep.Action != Relayed {
			continue
		}
		if p.draw.signed && rep.Remark == "" {
			rep.Remark = "its header is signed, and answers a mail by the Message-ID that a host has replaced"
		}
		if id := spool.HostID(rep.Text); id != "" {
			t.run.rename(p.draw.content, id, now)
		}
	}
	return reports
}

// rename remembers that a host has given a message another Message-ID. Several destinations may do so at the
// same time: each writes down what the others have.
func (r *run) rename(c Content, id string, now time.Time) {
	old := spool.FieldsOf(c).MessageID
	if old == "" || old == id || r.renamings().Of(old) == id {
		return
	}
	r.mu.Lock()
	r.renamed = append(slices.Clip(r.renamed), spool.Renaming{Time: now, Old: old, New: id})
	err := r.q.SetRenamings(r.renamed, now)
	r.mu.Unlock()
	if err != nil {
		r.troubled("remember the Message-ID that a host has given a mail: %v", err)
	}
}
