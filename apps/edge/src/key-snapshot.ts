import { WorkerEntrypoint } from 'cloudflare:workers'
import { BUCKET_MS, FORCED_BUCKET_MS, parseBucket } from './buckets.ts'
import { HUB_NAME, type KeyHub } from './key-hub.ts'
import { consoleLog } from './log.ts'

/** Two buckets: longer would only let a clock that is behind see older copies. */
const CACHE = 'public, max-age=4'
const RETRY_AFTER = '1'

/**
 * The hub's answers, behind Workers Cache: one request per location and bucket reaches the hub.
 *
 * `GET /snapshot?b=<bucket>` is the key set, `&f=<forced bucket>` asks the hub to read the origin
 * again first; `GET /health?b=<bucket>` is the hub's state. A bucket of the future is refused, and no
 * error is ever cached.
 */
export class KeySnapshot extends WorkerEntrypoint<Env> {
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const now = Date.now()
    const bucket = parseBucket(searchParams.get('b'), now, BUCKET_MS)
    const force = searchParams.has('f')
    const forced = force ? parseBucket(searchParams.get('f'), now, FORCED_BUCKET_MS) : 0
    if (request.method !== 'GET' || bucket === undefined || forced === undefined) {
      return refusal(400, 'invalid_bucket')
    }
    const read = READ.get(pathname)
    if (!read) return refusal(404, 'not_found')
    try {
      // A stub per call: one that threw may stay broken.
      return await read(this.env.HUB.getByName(HUB_NAME), force)
    } catch (error) {
      consoleLog('hub_unreachable', { name: error instanceof Error ? error.name : 'unexpected' })
      return refusal(503, 'hub_unreachable')
    }
  }
}

type Read = (hub: DurableObjectStub<KeyHub>, force: boolean) => Promise<Response>

const READ: ReadonlyMap<string, Read> = new Map<string, Read>([
  [
    '/snapshot',
    async (hub, force) => {
      const answer = await hub.snapshot({ force })
      return answer.ok ? cached(answer.snapshot) : refusal(503, answer.reason)
    },
  ],
  ['/health', async (hub) => cached(JSON.stringify(await hub.health()))],
])

function cached(json: string): Response {
  return new Response(json, {
    headers: { 'content-type': 'application/json', 'cache-control': CACHE },
  })
}

function refusal(status: number, error: string): Response {
  const headers = {
    'cache-control': 'no-store',
    ...(status === 503 && { 'retry-after': RETRY_AFTER }),
  }
  return Response.json({ error }, { status, headers })
}
