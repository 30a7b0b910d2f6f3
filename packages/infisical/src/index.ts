export type { AcquireFailure, SessionEvent } from './acquire.ts'
export type { RefusalReason } from './answers.ts'
export {
  type Environment,
  type InfisicalConfig,
  type InfisicalPurpose,
  readInfisicalConfig,
} from './config.ts'
export { parseCustomHeaders } from './custom-headers.ts'
export {
  InfisicalError,
  type InfisicalErrorCode,
  type InfisicalErrorFacts,
  isInfisicalError,
} from './errors.ts'
export type { Folders, ProjectView } from './folders.ts'
export { type Initialised, type InitialiseOptions, initialiseLayout } from './initialise.ts'
export {
  createKeyringStore,
  type KeyringRead,
  type KeyringStore,
  type Propagation,
} from './keyring-store.ts'
export { FOLDERS, type RegisteredEdge } from './layout.ts'
export { type AttemptContext, likelyCauses } from './likely-causes.ts'
export type { Credentials, LoginMethodName } from './login-methods.ts'
export { backgroundSchedule, type Schedule } from './schedule.ts'
export { type BoundSdk, createSdk } from './sdk.ts'
export type { Secret } from './secret.ts'
export { type BatchOptions, createSecrets, type NamedValues, type Secrets } from './secrets.ts'
export { createSession, type Session, type SessionOptions, type SessionStatus } from './session.ts'
export {
  createTransport,
  type Transport,
  type TransportOptions,
  type TransportRequest,
} from './transport.ts'
export { type InfisicalWebhook, verifyInfisicalWebhook, type WebhookDelivery } from './webhook.ts'
export {
  createWebhooks,
  type NewWebhook,
  type RegisteredWebhook,
  type Webhooks,
} from './webhooks.ts'
