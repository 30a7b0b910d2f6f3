export { type AlgorithmName, MAX_TOKEN_BYTES, type SignatureAlgorithm } from './algorithms.ts'
export {
  type AccessTokenClaims,
  defineExpected,
  type Expected,
  type ExpectedOptions,
  validateClaims,
} from './claims.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export { isJsonObject, type JsonObject, parseJsonObject } from './json.ts'
export { isKid, type PublicJwk, type VerifyKey } from './jwk.ts'
export { importKeySet, jwksDigest, type KeySet, type PublicJwks, parseJwks } from './jwks.ts'
export {
  type AcceptAlarm,
  type Accepted,
  accept,
  type HeldKeys,
  type LoadedKeys,
  withRevoked,
} from './key-source/accept.ts'
export {
  createJwksFetcher,
  type FetchJwksOptions,
  type FetchJwksReason,
} from './key-source/fetch-jwks.ts'
export {
  createKeySource,
  type KeepAlive,
  type KeySource,
  type KeySourceEvent,
  type KeySourceOptions,
  type LoadRequest,
} from './key-source/key-source.ts'
export {
  type Acknowledgement,
  acknowledge,
  parseAcknowledgement,
} from './propagation/acknowledgement.ts'
export {
  formatPingKey,
  type KeysAt,
  type KeysRevoked,
  PING_TOLERANCE,
  type Ping,
  parsePingKeys,
  type ReceivedPing,
  type SignedPing,
  verifyPing,
} from './propagation/ping.ts'
export { formatSnapshot, parseSnapshot, type Snapshot } from './propagation/snapshot.ts'
export { type Clock, nowSeconds, type Seconds, systemClock } from './time.ts'
export {
  createVerifiedCache,
  type VerifiedCache,
  type VerifiedEntry,
} from './token/verified-cache.ts'
export {
  type ResolveKey,
  type VerifiedToken,
  type VerifyOptions,
  verifyToken,
} from './token/verify.ts'
