package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// An entry knows where it was made, so that a copy of it is not sent as well: one that was brought
// to another machine, put back from a backup, or is in a snapshot of the disk. The envelope says
//
//	MACHINE-BIRTH
//
// where MACHINE stands for the machine and, on btrfs, the subvolume; and BIRTH is when its file was
// made, which no program can give to a copy. Either is empty where the system does not tell it, and
// then decides nothing: without a machine ID, as in many containers, or on a network file system,
// where a file has no such time. The name of the host is not used, since it changes.
//
// A copy is held until its owner adopts it. Then the line of the message says where it is at home.

// origin returns what an envelope that is open here says of its origin, "" if nothing is known.
func (q *Queue) origin(fd int) string {
	machine, birth := q.machine(), birthText(q.birth(fd))
	if machine == "" && birth == "" {
		return ""
	}
	return machine + "-" + birth
}

func birthText(birth uint64) string {
	if birth == 0 {
		return ""
	}
	return strconv.FormatUint(birth, 36)
}

// machine identifies the machine and the subvolume. It is not the machine ID itself, which is nobody
// else's business.
func (q *Queue) machine() string {
	if !q.knowsMachine {
		q.knowsMachine = true
		if id := machineID(); id != "" {
			sum := sha256.Sum256([]byte("esmtpq " + id + string(q.subvolume())))
			q.machineHash = hex.EncodeToString(sum[:8])
		}
	}
	return q.machineHash
}

// machineFiles are where Linux keeps a number that the machine, or the container, has for good.
var machineFiles = [...]string{"/etc/machine-id", "/var/lib/dbus/machine-id"}

func machineID() string {
	for _, name := range machineFiles {
		// An ID has 32 digits. The file can also be empty, or say that it is not initialised.
		fd, err := openFD(unix.AT_FDCWD, name, os.O_RDONLY, 0)
		if err != nil {
			continue
		}
		var b [33]byte // the end of the line is enough to know that there is no more
		n, _ := readAt(fd, b[:])
		syscall.Close(fd)
		if id := strings.TrimSpace(string(b[:n])); len(id) == 32 {
			return id
		}
	}
	return hostID()
}

// Why a message is held that was not made here.
const (
	elsewhere = "it was made on another machine or in another snapshot, which may send it, too"
	copied    = "it is a copy, and may have been sent already"
)

// seeOrigin takes note of whether an entry has left the queue before, or is not at home here.
func (q *Queue) seeOrigin(m *Message, fd int) error {
	m.birth = q.birth(fd)
	if err := q.seeDeparted(m); err != nil || m.Foreign != "" {
		return err
	}
	was := m.Envelope.Origin
	if m.adopted != "" {
		was = m.adopted
	}
	machine, birth, ok := strings.Cut(was, "-")
	if !ok {
		return nil // an older program made it
	}
	switch here := birthText(m.birth); {
	case machine != "" && q.machine() != "" && machine != q.machine():
		m.Foreign = elsewhere
	case birth != "" && here != "" && here != birth:
		m.Foreign = copied
	default:
		return nil
	}
	m.impose()
	return nil
}

// Adopt makes an entry that is held since it is a copy one of this queue, to be sent from here. It
// reports whether it was one.
func (q *Queue) Adopt(id string) (foreign bool, err error) {
	err = q.change(id, func(e *Entry) error {
		if foreign = e.msg.Foreign != ""; !foreign {
			return nil
		}
		return e.adopt()
	})
	return foreign, err
}

// adopt records that the entry is at home here.
func (e *Entry) adopt() error {
	m := e.msg
	if err := e.q.letGo(m); err != nil {
		return err
	}
	m.adopted, m.Foreign = e.q.origin(int(e.f.Fd())), ""
	if m.imposed && !m.Halted {
		m.Held, m.imposed = false, false
	}
	if err := e.writeMessageLine(); err != nil {
		return err
	}
	return syncData(e.f)
}
