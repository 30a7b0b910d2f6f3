import {
  AuthError,
  type AuthErrorCode,
  type Clock,
  type Expected,
  type KeySource,
  nowSeconds,
  type VerifiedCache,
  verifyToken,
} from '@keyturn/auth-core'

/** One place that verifies tokens. */
export interface Verifier {
  readonly name: string
  readonly tier: 'isolate' | 'reader'
  /** Its way to its keys. */
  readonly link: string
  readonly clock: Clock
  /** Replaced by evictions. */
  source(): KeySource
  evict(): void
}

/** How a verification ended: accepted, or the code of the refusal. */
export type Verdict = 'accepted' | AuthErrorCode

/**
 * Verifies a token at a verifier by `verifyToken` itself.
 *
 * The signature of a token is checked once in the whole run: whether it holds under the key of a kid,
 * which is the thumbprint of that key, depends on neither time nor place. Everything that does, is
 * judged each time by the rules for tokens seen before: the key of the kid as this verifier has it
 * now, its end, and the claims.
 */
export async function verifyAt(
  verifier: Verifier,
  token: string,
  { book, expected }: { readonly book: VerifiedCache; readonly expected: Expected },
): Promise<Verdict> {
  const source = verifier.source()
  try {
    await verifyToken(token, {
      resolveKey: (kid, claimedIat) => source.resolve(kid, claimedIat),
      expected,
      now: nowSeconds(verifier.clock),
      cache: readFrom(book, source),
    })
    return 'accepted'
  } catch (error) {
    if (error instanceof AuthError) return error.code
    throw error
  }
}

/** The book as one verifier's cache: an entry counts under the key that its kid has there now. */
function readFrom(book: VerifiedCache, source: KeySource): VerifiedCache {
  return {
    ...book,
    get(token) {
      const known = book.get(token)
      if (!known) return undefined
      return {
        claims: known.claims,
        get key() {
          return source.peek()?.keySet.keys.get(known.key.kid) ?? known.key
        },
      }
    },
    // What one verifier has lost, another may still hold.
    delete: () => undefined,
  }
}
