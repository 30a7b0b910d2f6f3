import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Published vectors: path below the corpora folder to text. Empty where there is no folder. */
    corpora: Readonly<Record<string, string>>
  }
}

const BESIDE_THE_PROJECT = new URL('../../../../shared/corpora', import.meta.url).pathname

/** Hands the published vectors to tests in every runtime, as data; workerd has no file system. */
export default function provideCorpora(project: TestProject): void {
  const folder = process.env.KEYTURN_CORPORA ?? BESIDE_THE_PROJECT
  const files = existsSync(folder) ? filesBelow(folder) : []
  const texts = files
    .filter((file) => file.endsWith('.json') || file.endsWith('sign.input.txt'))
    .map((file) => [relative(folder, file), readFileSync(file, 'latin1')] as const)
  project.provide('corpora', Object.fromEntries(texts))
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? filesBelow(path) : [path]
  })
}
