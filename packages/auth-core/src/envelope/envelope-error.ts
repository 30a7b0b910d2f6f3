/** What went wrong with keys or records of the envelope, as a stable word. */
export type EnvelopeErrorCode =
  | 'encryption_keys_invalid'
  | 'encryption_keys_outdated'
  | 'envelope_invalid'
  | 'envelope_kid_unknown'
  | 'envelope_refused'
  | 'envelope_exhausted'
  | 'envelope_uncounted'
  | 'aes_step_refused'

/**
 * The error of everything under the AES keys. It has a class of its own because only holders of
 * secrets can meet it: `AuthErrorCode` is the list that every verifier answers exhaustively.
 *
 * `message` says what was expected, in lower case, and never holds a key, a record or a plaintext.
 * `details` holds facts for logs (kids, limits, counts), under the same rule.
 */
export class EnvelopeError extends Error {
  readonly code: EnvelopeErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: EnvelopeErrorCode,
    message: string,
    { cause, ...details }: { readonly cause?: unknown; readonly [fact: string]: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EnvelopeError'
    this.code = code
    this.details = details
  }
}
