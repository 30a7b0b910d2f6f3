export {
  AES_ROTATION_AGE,
  type AesDue,
  type AesKidUse,
  type AesObstacle,
  type AesProcess,
  type AesState,
  type AesStep,
  activationObstacles,
  aesPlan,
  applyAesStep,
  refuseOutdatedKeys,
  removalObstacles,
  WRITE_SETTLING_AGE,
} from './envelope/aes-rotation.ts'
export {
  type EncryptionKeys,
  formatEncryptionKeys,
  generateEncryptionKey,
  parseEncryptionKeys,
  type StoredEncryptionKeys,
} from './envelope/encryption-keys.ts'
export { createEnvelope, type Envelope } from './envelope/envelope.ts'
export { EnvelopeError, type EnvelopeErrorCode } from './envelope/envelope-error.ts'
export { type RecordBinding, recordPrefix } from './envelope/record.ts'
export {
  createEncryptionUsage,
  ENCRYPTIONS_DUE,
  ENCRYPTIONS_LIMIT,
  type EncryptionUsage,
  type UsageOptions,
} from './envelope/usage.ts'
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
  decideRefresh,
  endRefreshFamily,
  type FamilyEnd,
  type RefreshDecision,
  type RefreshEvent,
  type RefreshFamily,
  type RefreshPresentation,
  type RefreshRefusal,
  startRefreshFamily,
} from './refresh/refresh-decision.ts'
export { defineRefreshPolicy, type RefreshPolicy } from './refresh/refresh-policy.ts'
export {
  formatRefreshToken,
  generateRefreshFamily,
  importRefreshSecret,
  isAuthentic,
  parseRefreshToken,
  type RefreshToken,
} from './refresh/refresh-token.ts'
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
