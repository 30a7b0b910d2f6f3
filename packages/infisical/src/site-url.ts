import { InfisicalError } from './errors.ts'

/**
 * Checks the address of an Infisical server and brings it into one form: without the trailing
 * slash and the trailing `/api` that some variables of Infisical's own tools carry. A path prefix
 * stays.
 *
 * @throws {InfisicalError} `invalid_config` for anything but an http(s) URL without credentials,
 *   query and fragment
 */
export function parseSiteUrl(text: string, name = 'the Infisical server URL'): string {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new InfisicalError('invalid_config', `expected ${name} to be an http or https URL`)
  }
  if (url.username || url.password || url.search || url.hash) {
    const message = `expected ${name} to have no credentials, query or fragment`
    throw new InfisicalError('invalid_config', message)
  }
  return (
    url.origin +
    url.pathname
      .replace(/\/+$/, '')
      .replace(/\/api$/, '')
      .replace(/\/+$/, '')
  )
}
