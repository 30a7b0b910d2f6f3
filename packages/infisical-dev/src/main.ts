#!/usr/bin/env node
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { startInfisicalDev } from './server.ts'
import { adminTokenFile } from './settings.ts'

const usage = 'usage: keyturn-infisical-dev [--port 4100] [--data DIR]'

function readOptions(args: readonly string[]): { port: number; dataDir: string } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '4100' },
      data: { type: 'string', default: '.keyturn/infisical-dev' },
    },
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new TypeError(`--port must be a number from 0 to 65535. ${usage}`)
  }
  return { port, dataDir: values.data }
}

async function main(): Promise<void> {
  const { port, dataDir } = readOptions(process.argv.slice(2))
  const server = await startInfisicalDev({ port, dataDir }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new Error(`port ${port} is taken; choose another with --port`, { cause: error })
    }
    throw error
  })
  console.log(`infisical-dev listens on ${server.url}`)
  console.log(`the admin token is in ${join(dataDir, adminTokenFile)}`)
  const stop = () => {
    server.close().catch(fail)
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}

function fail(error: unknown): void {
  console.error(`infisical-dev: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

main().catch(fail)
