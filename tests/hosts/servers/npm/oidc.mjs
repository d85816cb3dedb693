// oidc-provider at its defaults: oidc.mjs MODULES PORT [KEY=VALUE ...]. Whoever comes is user@example.net and allows everything,
// but with deny=1 nothing.
//
//   rotate=1   a new refresh token at each use, also for a client with a secret
//   at=N       an access token is good for N seconds
//   busy=N     the first N token requests are answered with 503 and a page
//   cut=N      the first N refreshes are carried out, and the connection is cut in place of the answer
//
// GET /stats tells how many refreshes there were; GET /set?KEY=VALUE changes one of these.
import http from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, port, ...settings] = process.argv.slice(2)
const { default: Provider } = await import(pathToFileURL(path.join(modules, 'oidc-provider/lib/index.js')))
const set = Object.fromEntries(settings.map(s => s.split('=')))
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'
const grants = ['authorization_code', 'refresh_token', deviceGrant]

const provider = new Provider(`http://localhost:${port}`, {
  clients: [
    { client_id: 'native', token_endpoint_auth_method: 'none', application_type: 'native', grant_types: grants, redirect_uris: ['http://127.0.0.1/back'], response_types: ['code'] },
    { client_id: 'secretive', client_secret: 'correct-horse', token_endpoint_auth_method: 'client_secret_post', application_type: 'native', grant_types: grants, redirect_uris: ['http://127.0.0.1/back'], response_types: ['code'] },
    { client_id: 'host', client_secret: 'correct-horse', grant_types: [], redirect_uris: [], response_types: [] }
  ],
  scopes: ['openid', 'offline_access', 'mail'],
  features: {
    deviceFlow: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    registration: { enabled: true },
    revocation: { enabled: true }
  },
  ttl: { AccessToken: () => Number(set.at || 3600) },
  rotateRefreshToken: ctx => Boolean(set.rotate) || ctx.oidc.client.clientAuthMethod === 'none',
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (ctx, i) => `/interaction/${i.uid}` }
})

async function interact (req, res) {
  const { prompt, params, grantId, session } = await provider.interactionDetails(req, res)
  if (set.deny) return provider.interactionFinished(req, res, { error: 'access_denied', error_description: 'not today' })
  if (prompt.name === 'login') return provider.interactionFinished(req, res, { login: { accountId: 'user@example.net' } })
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
  grant.addOIDCScope(params.scope || '')
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true })
}

let refreshes = 0
const handle = provider.callback()
http.createServer(async (req, res) => {
  const url = new URL(req.url, 'http://localhost')
  if (url.pathname === '/stats') return res.end(String(refreshes))
  if (url.pathname === '/set') {
    for (const [key, value] of url.searchParams) set[key] = value
    return res.end('ok')
  }
  if (url.pathname.startsWith('/interaction/')) {
    return interact(req, res).catch(e => { res.statusCode = 500; res.end(String(e)) })
  }
  if (url.pathname === '/token') {
    const parts = []
    for await (const part of req) parts.push(part)
    const body = Buffer.concat(parts).toString()
    req.body = Object.fromEntries(new URLSearchParams(body))
    const refresh = req.body.grant_type === 'refresh_token'
    if (refresh) refreshes++
    if (Number(set.busy) > 0) {
      set.busy--
      res.writeHead(503, { 'Content-Type': 'text/html' })
      return res.end('<html>busy</html>')
    }
    if (refresh && Number(set.cut) > 0) {
      set.cut--
      res.end = () => { res.destroy(); return res }
    }
  }
  handle(req, res)
}).listen(port, '127.0.0.1')
