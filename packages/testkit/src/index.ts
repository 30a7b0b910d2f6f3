export { type AccessDouble, type AccessRefusal, startAccessDouble } from './access-double.ts'
export { type EdgeOptions, type RunningEdge, startEdge } from './edge.ts'
export {
  type Ended,
  freePort,
  isPortTaken,
  type Program,
  type ProgramOptions,
  runProgram,
  startProgram,
  untilReady,
} from './processes.ts'
export type { Identity } from './store-setup.ts'
export {
  type LiveToken,
  requestToken,
  startTraffic,
  type Tally,
  type Traffic,
  type TrafficOptions,
  totalOf,
} from './traffic.ts'
export {
  type Ports,
  PortTakenError,
  startWorld,
  type World,
  type WorldOptions,
} from './world.ts'
