#!/bin/sh
# chasquid 1.11 offers PIPELINING, and drops commands that come in one packet with the end of a mail.
#
# RFC 2920, 3.1 lets a client send the next MAIL right behind the final dot. chasquid reads the content
# through a buffer of its own, and what that holds behind the dot is lost: the mail is taken, and the
# commands are never answered. Sent after the reply, the same commands are.
set -eu

version=1.11-2+b2 # of Debian 12
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q "chasquid=$version" >/dev/null 2>&1
dpkg-deb -x chasquid_*.deb root

mkdir -p conf/certs/localhost conf/domains/example.net data
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-keyout conf/certs/localhost/privkey.pem -out conf/certs/localhost/fullchain.pem 2>/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >conf/chasquid.conf <<END
hostname: "localhost"
smtp_address: "127.0.0.1:$port"
mail_delivery_agent_bin: "/bin/true"
data_dir: "$dir/data"
mail_log_path: "<stderr>"
END
root/usr/bin/chasquid-util --configdir=conf user-add friend@example.net --password=secret >/dev/null
root/usr/bin/chasquid -config_dir=conf 2>log &
server=$!

cat >talk.py <<'END'
import socket
import sys
import time

MAIL = b"MAIL FROM:<>\r\n"
RCPT = b"RCPT TO:<friend@example.net>\r\n"
CONTENT = b"From: me@example.org\r\nSubject: one\r\n\r\ntext\r\n.\r\n"


def session(together):
    for _ in range(100):
        try:
            c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    c.settimeout(5)
    f = c.makefile("rb")

    def reply():
        while True:
            line = f.readline()
            if line[3:4] == b" ":
                return line[:3].decode()

    reply()
    for line in (b"EHLO client.example\r\n", MAIL, RCPT, b"DATA\r\n"):
        c.sendall(line)
        reply()
    c.sendall(CONTENT + MAIL + RCPT if together else CONTENT)
    codes = [reply()]
    if not together:
        c.sendall(MAIL + RCPT)
    try:
        codes += [reply(), reply()]
    except socket.timeout:
        codes.append("no more")
    return " ".join(codes)


print("after the reply:", session(False))
print("behind the dot:", session(True))
END
python3 talk.py "$port" | tee out
# seen: after the reply: 250 250 250
# seen: behind the dot: 250 no more
grep -qx 'after the reply: 250 250 250' out
grep -qx 'behind the dot: 250 no more' out
