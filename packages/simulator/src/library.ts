import {
  type Acknowledgement,
  acknowledge,
  type PublicJwks,
  parseJsonObject,
  parseJwks,
} from '@keyturn/auth-core'
import {
  createSigner,
  type Keyring,
  type KeyringKey,
  type ParsedKeyring,
  type Signer,
} from '@keyturn/auth-core/signing'
import type { Rules } from './rules.ts'
import type { StoreState } from './store.ts'

/**
 * What several actors compute of the same input, computed once: a keyring of a state of the store, a
 * signer of a key, the published document as a reader parses it. Each of them depends on its input
 * alone (a keyring's parse looks at the clock only to refuse revisions 5 minutes ahead, and clocks
 * here differ by one minute at most), so sharing the value changes nothing but the cost.
 */
export interface Library {
  /** @throws {AuthError} `keyring_invalid` */
  parse(state: StoreState): Promise<ParsedKeyring>
  signer(key: KeyringKey): Promise<Signer>
  /** The document that an issuer publishes of a keyring. */
  published(keyring: Keyring): PublicJwks
  /** A published document after its way over the wire. @throws {AuthError} `jwks_invalid` */
  fetched(published: PublicJwks): PublicJwks
  acknowledgement(jwks: PublicJwks): Promise<Acknowledgement>
}

/** Makes an empty library. `nowMs` is true time. */
export function createLibrary(rules: Rules, nowMs: () => number): Library {
  const keyrings = new WeakMap<StoreState, Promise<ParsedKeyring>>()
  const signers = new WeakMap<KeyringKey, Promise<Signer>>()
  const acknowledgements = new WeakMap<PublicJwks, Promise<Acknowledgement>>()
  const wire = new WeakMap<PublicJwks, PublicJwks>()
  let documents = new Map<string, PublicJwks>()

  return {
    parse: (state) =>
      remember(keyrings, state, () => rules.parseKeyring(state.stored, Math.floor(nowMs() / 1000))),
    signer: (key) =>
      remember(signers, key, () => {
        if (!key.privateJwk) throw new TypeError('a signing key has its private half')
        return createSigner(key.privateJwk, key.jwk)
      }),
    published(keyring) {
      const jwks = rules.publishJwks(keyring)
      const body = JSON.stringify(jwks)
      const document = documents.get(body) ?? jwks
      if (documents.size > 32) documents = new Map()
      documents.set(body, document)
      return document
    },
    fetched: (published) =>
      remember(wire, published, () => parseJwks(parseJsonObject(JSON.stringify(published)))),
    acknowledgement: (jwks) => remember(acknowledgements, jwks, () => acknowledge(jwks, 0)),
  }
}

function remember<K extends object, V>(memory: WeakMap<K, V>, key: K, make: () => V): V {
  const known = memory.get(key) ?? make()
  memory.set(key, known)
  return known
}
