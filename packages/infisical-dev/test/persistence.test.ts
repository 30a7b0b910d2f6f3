import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { adminTokenFile, seedProject, startInfisicalDev } from '../src/index.ts'
import { call } from './world.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
let dataDir: string
const children: ChildProcess[] = []

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'infisical-dev-'))
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
  await rm(dataDir, { recursive: true, force: true })
})

function run(...args: string[]) {
  const child = spawn(process.execPath, [main, '--data', dataDir, ...args])
  children.push(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal, stdout, stderr }))
  const url = async () => {
    while (!stdout.includes('admin token')) {
      await Promise.race([once(child.stdout, 'data'), ended.then(() => expect.unreachable(stderr))])
    }
    return /http:\/\/\S+/.exec(stdout)?.[0] ?? expect.unreachable(stdout)
  }
  return { child, ended, url }
}

const readAdminToken = async () => (await readFile(join(dataDir, adminTokenFile), 'utf8')).trim()

test('what was acknowledged before kill -9 is there after a restart, and so are tokens', async () => {
  const first = run('--port', '0')
  const url = await first.url()
  const adminToken = await readAdminToken()
  const { projectId, identities } = await seedProject(url, adminToken, {
    projectName: 'journal',
    slug: 'journal-keys',
    identities: [{ name: 'rotator', role: 'member' }],
  })
  const { body: login } = await call(url, 'POST /api/v1/auth/universal-auth/login', {
    body: identities.rotator,
  })
  const token = login.accessToken
  const place = { workspaceId: projectId, environment: 'dev', secretPath: '/' }
  const names = ['current', 'next', 'jwks']
  const write = (method: string, value: number) =>
    call(url, `${method} /api/v3/secrets/batch/raw`, {
      token,
      body: {
        ...place,
        secrets: names.map((secretKey) => ({ secretKey, secretValue: String(value) })),
      },
    })
  await write('POST', 0)
  let acknowledged = 0
  const writing = (async () => {
    for (let value = 1; ; value += 1) {
      await write('PATCH', value)
      acknowledged = value
      if (value === 25) first.child.kill('SIGKILL')
    }
  })().catch(() => 'cut off')
  expect(await writing).toBe('cut off')
  expect((await first.ended).signal).toBe('SIGKILL')

  const second = run('--port', '0')
  const again = await second.url()
  expect(await readAdminToken()).toBe(adminToken)
  const { status, body } = await call(
    again,
    `GET /api/v3/secrets/raw?${new URLSearchParams(place)}`,
    { token },
  )
  expect(status).toBe(200)
  const values: number[] = body.secrets.map(({ secretValue }: { secretValue: string }) =>
    Number(secretValue),
  )
  expect(values).toHaveLength(names.length)
  expect(new Set(values).size).toBe(1)
  expect(values[0]).toBeGreaterThanOrEqual(acknowledged)
})

test('the admin token is in a file that only its owner may read', async () => {
  const server = await startInfisicalDev({ dataDir })
  try {
    expect(await readAdminToken()).toBe(server.adminToken)
    expect((await stat(join(dataDir, adminTokenFile))).mode & 0o777).toBe(0o600)
  } finally {
    await server.close()
  }
})

test('the program says where it listens and ends cleanly on SIGTERM', async () => {
  const server = run('--port', '0')
  const url = await server.url()
  expect((await call(url, 'GET /')).body.message).toBe('Route GET:/ not found')
  server.child.kill('SIGTERM')
  expect(await server.ended).toMatchObject({ code: 0, stderr: '' })
})

test('a taken port is one clear line and exit code 1', async () => {
  const holder = await startInfisicalDev({ dataDir })
  try {
    const { code, stderr } = await run('--port', String(holder.port)).ended
    expect(code).toBe(1)
    expect(stderr).toBe(`infisical-dev: port ${holder.port} is taken; choose another with --port\n`)
    await expect(startInfisicalDev({ dataDir, port: holder.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  } finally {
    await holder.close()
  }
})

test('an option that is no port is refused with the usage', async () => {
  const { code, stderr } = await run('--port', 'abc').ended
  expect(code).toBe(1)
  expect(stderr).toMatch(/--port must be a number .* usage: keyturn-infisical-dev/)
})
