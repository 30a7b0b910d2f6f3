export type { PrivateJwk } from './jwk.ts'
export {
  formatKeyring,
  formatPublicJwks,
  type KeyringSecret,
  type ParsedKeyring,
  parseKeyring,
  parsePrivateKey,
  type StoredKeyring,
} from './keyring/codec.ts'
export { generateFreshKey } from './keyring/fresh-key.ts'
export {
  currentKey,
  type Keyring,
  type KeyringKey,
  type KeyStatus,
  keysWith,
  nextKey,
  publishJwks,
  type Revocation,
  statusOf,
} from './keyring/keyring.ts'
export { createPingSigner, type PingSigner } from './propagation/ping-signer.ts'
export {
  type Answer,
  gate,
  type Obstacle,
  retireObstacles,
  SETTLING_AGE,
  unacknowledged,
} from './rotation/gate.ts'
export { type Due, flipDueAt, flipOpensAt, overdueBy, plan } from './rotation/plan.ts'
export {
  definePolicy,
  type Policy,
  shortestOverlap,
  shortestPropagation,
} from './rotation/policy.ts'
export { apply, isRestored, type Step, type Verb } from './rotation/step.ts'
export { createSigner, type Signer, signAccessToken } from './token/sign.ts'
