import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const APP = resolve(import.meta.dirname, '../..')
const WRANGLER = join(
  dirname(createRequire(import.meta.url).resolve('wrangler/package.json')),
  'bin',
)

let folder = ''
let inputs: readonly string[] = []
let code = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-edge-'))
  const metafile = join(folder, 'meta.json')
  await promisify(execFile)(
    process.execPath,
    [
      join(WRANGLER, 'wrangler.js'),
      ...['deploy', '--dry-run', '--outdir', folder, `--metafile=${metafile}`],
    ],
    { cwd: APP, env: { ...process.env, WRANGLER_SEND_METRICS: 'false' } },
  )
  const meta: unknown = JSON.parse(await readFile(metafile, 'utf8'))
  inputs = Object.keys(Object(meta).inputs)
  code = await readFile(join(folder, 'worker.js'), 'utf8')
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Everything of auth-core that the entry for holders of private keys reaches on its own. */
const SIGNING =
  /auth-core\/src\/(signing|rotation\/|keyring\/|envelope\/|refresh\/|token\/sign|propagation\/ping-signer)/

describe('the Worker as it is deployed', () => {
  it('is made of this app, the verifying half of auth-core, hono and jose', async () => {
    expect(inputs.some((path) => path.endsWith('auth-core/src/token/verify.ts'))).toBe(true)
    const sources = await readdir(join(APP, 'src'))
    for (const source of sources) expect(inputs).toContain(`src/${source}`)
    const packages = inputs
      .filter((path) => path.includes('node_modules/'))
      .map((path) => path.slice(path.lastIndexOf('node_modules/') + 13).split('/')[0])
    expect([...new Set(packages)].sort()).toEqual(['hono', 'jose'])
  })

  it('holds nothing that signs, and nothing that knows Infisical', () => {
    expect(inputs.filter((path) => SIGNING.test(path))).toEqual([])
    expect(inputs.filter((path) => path.includes('infisical'))).toEqual([])
    expect(code).not.toMatch(/infisical/i)
  })

  it('would be noticed if it did', async () => {
    const entry = await readFile(join(APP, '../../packages/auth-core/src/signing.ts'), 'utf8')
    const modules = [...entry.matchAll(/from '\.\/([^']+)'/g)].map(([, path]) => path)
    const reached = modules.filter((path) => SIGNING.test(`auth-core/src/${path}`))
    expect(reached).toEqual(modules.filter((path) => path !== 'jwk.ts'))
  })
})
