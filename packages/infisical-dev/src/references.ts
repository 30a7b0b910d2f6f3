import type { Place } from './permissions.ts'

/** Looks a referenced secret up, or answers `undefined`; it throws where the reader may not. */
export type Lookup = (place: Place, name: string) => string | undefined

const reference = /\$\{([^}]+)\}/g
// A chain of references longer than this is taken for a circle.
const maxDepth = 10

/**
 * Replaces `${NAME}` by the secret of the same folder and `${env.folder.NAME}` by one elsewhere.
 * A reference that leads nowhere stays as it is written.
 */
export function expandReferences(value: string, place: Place, lookUp: Lookup, depth = 0): string {
  if (depth === maxDepth) return value
  return value.replaceAll(reference, (written, inside: string) => {
    const target = targetOf(inside, place)
    const found = lookUp(target.place, target.name)
    return found === undefined ? written : expandReferences(found, target.place, lookUp, depth + 1)
  })
}

function targetOf(inside: string, here: Place): { place: Place; name: string } {
  const parts = inside.split('.')
  const name = parts.pop() ?? ''
  const [environment, ...folders] = parts
  if (environment === undefined) return { place: here, name }
  return { place: { environment, secretPath: `/${folders.join('/')}` }, name }
}
