"""aiosmtpd at its defaults: server.py CLEAR SECURE CERT KEY DIRECTORY.

It takes mail on port CLEAR of loopback, on SECURE with STARTTLS and a login, and keeps it in
DIRECTORY: a file for each mail, whose first line is the sender, the second the recipients.
"""
import itertools
import os
import signal
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

clear, secure, cert, key, out = sys.argv[1:6]
numbers = itertools.count(1)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("bad"):
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        name = "%08d" % next(numbers)
        head = "%s\n%s\n" % (envelope.mail_from, " ".join(envelope.rcpt_tos))
        hidden = os.path.join(out, "." + name)
        with open(hidden, "wb") as f:
            f.write(head.encode() + envelope.original_content)
        os.rename(hidden, os.path.join(out, name))
        return "250 OK"


def login(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and data.login == b"user" and data.password == b"correct-horse"
    return AuthResult(success=right, handled=False)


tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(cert, key)
common = {"hostname": "127.0.0.1", "server_hostname": "smarthost.test", "decode_data": False}
Controller(Handler(), port=int(clear), enable_SMTPUTF8=True, **common).start()
Controller(Handler(), port=int(secure), enable_SMTPUTF8=True, tls_context=tls, require_starttls=True,
           authenticator=login, auth_required=True, **common).start()
signal.pause()
