#!/bin/sh
# aiosmtpd 1.4.3 asks for "User Name" and "Password", each with a NUL behind it, at AUTH LOGIN.
#
# Other servers ask for "Username:" and "Password:" (draft-murchison-sasl-login). A client that looks at
# the words of the question, and not at its place, does not know what it is asked for.
set -eu

version=1.4.3-1.1+deb12u1 # of Debian 12
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q "python3-aiosmtpd=$version" python3-attr python3-public >/dev/null 2>&1
for deb in *.deb; do dpkg-deb -x "$deb" root; done

cat >ask.py <<'END'
import base64
import socket
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


def login(server, session, envelope, mechanism, data):
    return AuthResult(success=True, auth_data=data)


class Handler:
    pass


controller = Controller(Handler(), hostname="127.0.0.1", port=0, authenticator=login, auth_require_tls=False)
controller.port = (lambda s: (s.bind(("127.0.0.1", 0)), s.getsockname()[1], s.close())[1])(socket.socket())
controller.start()
with socket.create_connection(("127.0.0.1", controller.port), 10) as c:
    f = c.makefile("rwb")

    def say(line):
        f.write(line + b"\r\n")
        f.flush()
        return f.readline().decode().strip()

    f.readline()
    f.write(b"EHLO client.example\r\n")
    f.flush()
    while not f.readline().startswith(b"250 "):
        pass
    for line in (b"AUTH LOGIN", base64.b64encode(b"user")):
        code, question = say(line).split(" ", 1)
        print(code, ascii(base64.b64decode(question)))
    print(say(base64.b64encode(b"password")))
controller.stop()
END
PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 ask.py | tee out
# seen: 334 b'User Name\x00'
# seen: 334 b'Password\x00'
# seen: 235 2.7.0 Authentication successful
grep -qxF "334 b'User Name\\x00'" out
grep -qxF "334 b'Password\\x00'" out
grep -q '^235 ' out
