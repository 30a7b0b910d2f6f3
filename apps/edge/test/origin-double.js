/**
 * What the Worker reaches outside, whatever the host: a double that answers per host as the test
 * told it (through the host control.test), and records every request.
 */
let answers = {}
let requests = []

/** Answers as told: `down` breaks the connection, `delayMs` holds the answer back. */
async function answer({ status = 200, headers = {}, body = '', delayMs = 0, down = false }) {
  if (delayMs > 0) await scheduler.wait(delayMs)
  if (down) throw new Error('connection lost')
  return new Response(status === 204 || status === 304 ? null : body, { status, headers })
}

async function control(request) {
  const { pathname } = new URL(request.url)
  if (pathname === '/answers') answers = { ...answers, ...(await request.json()) }
  if (pathname === '/clear') {
    answers = {}
    requests = []
  }
  return Response.json(requests)
}

export default {
  async fetch(request) {
    const url = new URL(request.url)
    if (url.hostname === 'control.test') return await control(request)
    const seen = {
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      body: await request.text(),
    }
    requests.push(seen)
    const told = answers[url.hostname]
    return told ? await answer(told) : Response.json(seen, { status: 404 })
  },
}
