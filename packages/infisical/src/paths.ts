/**
 * Checks a folder's path as this package writes it: `/`, or `/auth/jwt` without a trailing slash.
 *
 * @throws {TypeError} for anything else; servers read such paths as other folders, or as none
 */
export function checkPath(path: string): string {
  if (path === '/' || /^(?:\/[A-Za-z0-9_-]+)+$/.test(path)) return path
  throw new TypeError(`expected a folder as /name/name, got ${JSON.stringify(path)}`)
}

/** Splits a path other than `/` into its parent's path and its own name. */
export function splitPath(path: string): { readonly parent: string; readonly name: string } {
  const slash = path.lastIndexOf('/')
  return { parent: path.slice(0, slash) || '/', name: path.slice(slash + 1) }
}
