import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const versions = async () =>
  (await world.secrets.list('/auth', { recursive: true })).map(
    ({ path, name, version }) => `${path}/${name} ${version}`,
  )

describe('init', () => {
  it('creates every slot and .infisical.json, and prints what edges verify pings with', async () => {
    const { code, stdout } = await world.run(['init', '--edge', 'eu=https://edge.example/'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^PING_PUBLIC_KEYS=whpk_[A-Za-z0-9+/]{43}=$/m)
    expect(JSON.parse(await readFile(join(world.folder, '.infisical.json'), 'utf8'))).toEqual({
      workspaceId: world.projectId,
      defaultEnvironment: 'prod',
      gitBranchToEnvironmentMapping: null,
    })
    expect((await world.store.readPropagation()).edges).toEqual([
      { name: 'eu', url: 'https://edge.example' },
    ])
    expect((await world.store.read()).notes).toEqual([])
  })

  it('changes nothing the second time, and says so', async () => {
    const before = await versions()
    const { code, stdout } = await world.run(['init'])
    expect(code).toBe(0)
    expect(stdout).toContain('nothing to do: everything is in Infisical already')
    expect(await versions()).toEqual(before)
  })

  it('adds and changes edges by name, and leaves the others', async () => {
    const args = [
      'init',
      '--json',
      '--edge',
      'us=https://us.example',
      '--edge',
      'eu=https://eu.example',
    ]
    const { stdout } = await world.run(args)
    expect(JSON.parse(stdout)).toMatchObject({
      changed: true,
      updated: ['/auth/edge/edges'],
      edges: [
        { name: 'eu', url: 'https://eu.example' },
        { name: 'us', url: 'https://us.example' },
      ],
    })
  })

  it('tells what to do by hand where the server lets identities create no webhook', async () => {
    const { code, stdout } = await world.run(['init', '--issuer', 'https://issuer.example'])
    expect(code).toBe(0)
    expect(stdout).toContain('3. URL: https://issuer.example/hooks/infisical')
    expect(stdout).toContain('4. secret key: the value of /auth/edge/webhook_secret')
    const { webhookSecrets } = await world.store.readPropagation()
    expect(stdout).not.toContain(webhookSecrets[0])
  })

  it('keeps an .infisical.json of another project, and replaces it only when told to', async () => {
    const cwd = join(world.folder, 'elsewhere')
    await mkdir(cwd)
    const file = join(cwd, '.infisical.json')
    await writeFile(file, '{"workspaceId":"another","domain":"https://kept.example"}')
    const kept = await world.run(['init'], { cwd })
    expect(kept.stdout).toContain('.infisical.json: kept')
    const replaced = await world.run(['init', '--write-config'], { cwd })
    expect(replaced.stdout).toContain('.infisical.json: updated')
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
      workspaceId: world.projectId,
      domain: 'https://kept.example',
    })
  })

  it('finds the project in the .infisical.json of a folder above', async () => {
    const cwd = join(world.folder, 'deep', 'down')
    await mkdir(cwd, { recursive: true })
    const { code } = await world.run(['keys', 'status'], { cwd, env: { INFISICAL_PROJECT_ID: '' } })
    expect(code).toBe(0)
  })

  it('refuses a malformed edge before it logs in', async () => {
    for (const edge of [
      'eu',
      '=https://edge.example',
      'eu=ftp://edge.example',
      'e u=https://x.example',
    ]) {
      const { code } = await world.run(['init', '--edge', edge], {
        env: { INFISICAL_SERVER_URL: 'http://127.0.0.1:9' },
      })
      expect({ edge, code }).toEqual({ edge, code: 2 })
    }
  })

  it('names the likely causes of a failed login, and shows no secret', async () => {
    const secret = 'not-the-secret-of-this-identity'
    const { code, stdout, stderr } = await world.run(['init'], {
      env: { INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET: secret },
    })
    expect(code).toBe(4)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^error: Infisical refuses the login$/m)
    expect(stderr).toContain('the client secret is wrong')
    expect(stderr).not.toContain(secret)
    expect(stderr).not.toContain('    at ')
  })
})
