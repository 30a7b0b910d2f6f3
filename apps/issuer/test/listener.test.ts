import { once } from 'node:events'
import { connect } from 'node:net'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { listen } from '../src/listener.ts'

/** An app whose one answer waits until the test lets it go. */
function createSlowApp() {
  let release = () => {}
  let entered = () => {}
  const inside = new Promise<void>((resolve) => {
    entered = resolve
  })
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const app = new Hono()
  app.get('/slow', async (c) => {
    entered()
    await gate
    return c.text('done')
  })
  app.get('/fast', (c) => c.text('fast'))
  return { app, inside, release: () => release() }
}

const ANY = { host: '127.0.0.1', port: 0 }

describe('a listener', () => {
  it('finishes the request that it accepted, then closes, and takes no new one meanwhile', async () => {
    const { app, inside, release } = createSlowApp()
    const listener = await listen(app, ANY)
    const answer = fetch(`${listener.url}/slow`)
    await inside
    let closed = false
    const closing = listener.close().then(() => {
      closed = true
    })
    await expect(fetch(`${listener.url}/fast`)).rejects.toThrow()
    expect(closed).toBe(false)
    release()
    const response = await answer
    expect(await response.text()).toBe('done')
    expect(response.headers.get('connection')).toBe('close')
    const startedAt = performance.now()
    await closing
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  it('does not wait for idle connections that are kept alive', async () => {
    const { app } = createSlowApp()
    const listener = await listen(app, ANY)
    const socket = connect(Number(new URL(listener.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET /fast HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'data')
    const startedAt = performance.now()
    await listener.close()
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    socket.destroy()
  })

  it('says which address it got, and rejects where it is taken', async () => {
    const { app } = createSlowApp()
    const listener = await listen(app, ANY)
    expect((await fetch(`${listener.url}/fast`)).status).toBe(200)
    const port = Number(new URL(listener.url).port)
    await expect(listen(app, { host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    await listener.close()
  })
})
