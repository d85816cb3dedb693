#!/bin/sh
# smtp-server 3.21.6 answers 535, not 501, to a client that cancels XOAUTH2 after a refused token.
#
# RFC 4954, 4: to a line with a single "*" the server MUST answer 501. It does so for PLAIN. A client that
# cancels because it has read in the challenge why the token was refused is told so again instead, and
# one that counts 535 for a wrong password counts one.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --ignore-scripts --no-audit --no-fund smtp-server@3.21.6 >log 2>&1 || { cat log; exit 1; }
cat >talk.js <<'END'
const net = require('net')
const { SMTPServer } = require('smtp-server')

const server = new SMTPServer({
  authMethods: ['PLAIN', 'XOAUTH2'],
  allowInsecureAuth: true,
  disabledCommands: ['STARTTLS'],
  onAuth: (auth, session, done) => done(null, { data: { status: '401', schemes: 'bearer' } })
})

// session says the lines, each after the reply to the one before, and resolves to all codes.
const session = (port, lines) => new Promise(resolve => {
  const codes = []
  let text = ''
  const socket = net.connect(port, '127.0.0.1')
  socket.on('data', octets => {
    text += octets
    for (let end; (end = text.indexOf('\r\n')) >= 0; text = text.slice(end + 2)) {
      if (text[3] === '-') continue
      codes.push(text.slice(0, 3))
      if (lines.length) socket.write(lines.shift() + '\r\n')
      else { socket.end(); resolve(codes.slice(2).join(' ')) }
    }
  })
})

const token = Buffer.from('user=me\x01auth=Bearer expired\x01\x01').toString('base64')
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.server.address()
  console.log('PLAIN:', await session(port, ['EHLO client.example', 'AUTH PLAIN', '*']))
  console.log('XOAUTH2:', await session(port, ['EHLO client.example', 'AUTH XOAUTH2 ' + token, '*']))
  server.close()
})
END
node talk.js | tee out
# seen: PLAIN: 334 501
# seen: XOAUTH2: 334 535
grep -qx 'PLAIN: 334 501' out
grep -qx 'XOAUTH2: 334 535' out
