// smtp-server at its defaults: smtp-server.js MODULES CLEAR SECURE CERT KEY DIRECTORY. It takes mail on port CLEAR of loopback, on
// SECURE with a login, and keeps it in DIRECTORY: a file for each mail, whose first line is the sender, the second the recipients.
'use strict'
const fs = require('fs')
const path = require('path')
const [modules, clear, secure, cert, key, dir] = process.argv.slice(2)
const { SMTPServer } = require(path.join(modules, 'smtp-server'))

const refusal = (code, text) => Object.assign(new Error(text), { responseCode: code })
let number = 0

const common = {
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
  onRcptTo: (to, session, done) => to.address.startsWith('bad') ? done(refusal(550, 'No such user here')) : done(),
  onAuth: (auth, session, done) => auth.username === 'user' && auth.password === 'correct-horse'
    ? done(null, { user: auth.username })
    : done(new Error('Invalid username or password')),
  onData: (stream, session, done) => {
    const { mailFrom, rcptTo } = session.envelope
    const parts = [Buffer.from(`${mailFrom.address}\n${rcptTo.map(to => to.address).join(' ')}\n`)]
    stream.on('data', part => parts.push(part))
    stream.on('end', () => {
      const name = String(++number).padStart(8, '0')
      fs.writeFileSync(path.join(dir, '.' + name), Buffer.concat(parts))
      fs.renameSync(path.join(dir, '.' + name), path.join(dir, name))
      done(null, 'taken')
    })
  }
}

for (const [port, more] of [[clear, { authOptional: true }], [secure, {}]]) {
  const server = new SMTPServer({ ...common, ...more })
  server.on('error', err => console.error(err.message)) // of a connection that was lost, too
  server.listen(port, '127.0.0.1')
}
