export type { Clock } from './clock.ts'
export {
  type IdentitySpec,
  type PrivilegeSpec,
  type ProjectSpec,
  type SeededIdentity,
  type SeededProject,
  seedProject,
} from './seed.ts'
export { type InfisicalDev, type InfisicalDevOptions, startInfisicalDev } from './server.ts'
export { adminTokenFile } from './settings.ts'
