import {
  defineExpected,
  type Expected,
  isJsonObject,
  type JsonObject,
  type Seconds,
} from '@keyturn/auth-core'

/** A path that only a verified token opens. */
export interface Route {
  /**
   * An absolute path; `/*` at its end covers everything below it, and the path itself. A slash at
   * the end of a request's path makes no difference.
   */
  readonly path: string
  /** Upper case; GET stands for HEAD too. Absent: every method. */
  readonly methods?: readonly string[]
  readonly expected: Expected
  /** Where verified requests go on to. Absent: the route answers with the identity itself. */
  readonly upstream?: URL
}

/** What routes take over from the Worker's configuration. */
export interface RouteDefaults {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly clockTolerance: Seconds
}

const PATH = /^(\/|\/\*|(\/[A-Za-z0-9._~-]+)+(\/\*)?)$/
const METHOD = /^[A-Z]+$/
const MEMBERS: readonly string[] = ['path', 'methods', 'audience', 'scope', 'upstream']
/** These answer to everybody; a verified route there would never be reached. */
const OWN_PATH = /^\/(\.well-known|internal)(\/|$)/

/**
 * Reads the routes: a list, or the JSON of a list, of
 * `{ "path": "/api/*", "methods"?: ["GET"], "audience"?: "…", "scope"?: "…" | ["…"], "upstream"?: "https://…" }`.
 *
 * Checks, per route: no unknown member; the path, which is none of the Worker's own; methods;
 * audience and scope; an upstream that is an http(s) URL without credentials, query or fragment.
 * Then that no route is covered by an earlier one.
 *
 * @throws {TypeError} that names the route
 */
export function parseRoutes(value: unknown, defaults: RouteDefaults): readonly Route[] {
  const list = typeof value === 'string' ? parseJson(value) : value
  if (!Array.isArray(list)) throw new TypeError('ROUTES is a JSON array of routes')
  const routes = list.map((entry: unknown, index) => {
    try {
      return parseRoute(entry, defaults)
    } catch (cause) {
      const why = cause instanceof TypeError ? cause.message : 'a route is a JSON object'
      throw new TypeError(`ROUTES[${index}]: ${why}`, { cause })
    }
  })
  refuseShadowed(routes)
  return routes
}

function parseRoute(entry: unknown, defaults: RouteDefaults): Route {
  if (!isJsonObject(entry)) throw new TypeError('a route is a JSON object')
  const unknown = Object.keys(entry).find((name) => !MEMBERS.includes(name))
  if (unknown !== undefined) throw new TypeError(`a route has no member ${unknown}`)
  const { path } = entry
  if (typeof path !== 'string' || !PATH.test(path)) {
    throw new TypeError('path is absolute and may end in /*')
  }
  if (OWN_PATH.test(path)) throw new TypeError(`${path} is served by the Worker itself`)
  return { path, ...methodsOf(entry), expected: expectedOf(entry, defaults), ...upstreamOf(entry) }
}

function methodsOf({ methods }: JsonObject): { methods?: readonly string[] } {
  if (methods === undefined) return {}
  if (!Array.isArray(methods) || methods.length === 0 || !methods.every(isMethod)) {
    throw new TypeError(
      'methods is a list of upper-case methods, without HEAD, which is part of GET',
    )
  }
  return { methods }
}

function isMethod(value: unknown): value is string {
  return typeof value === 'string' && METHOD.test(value) && value !== 'HEAD'
}

function expectedOf({ audience, scope }: JsonObject, defaults: RouteDefaults): Expected {
  // defineExpected checks both at run time; the casts only carry unknown values to it.
  return defineExpected({
    issuer: defaults.issuer,
    clockTolerance: defaults.clockTolerance,
    audience: audience === undefined ? defaults.audience : (audience as string),
    scope: scope === undefined ? [] : (scope as string | string[]),
  })
}

function upstreamOf({ upstream }: JsonObject): { upstream?: URL } {
  if (upstream === undefined) return {}
  if (typeof upstream !== 'string' || !URL.canParse(upstream)) {
    throw new TypeError('upstream is a URL')
  }
  const url = new URL(upstream)
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!/^https?:$/.test(url.protocol) || !plain) {
    throw new TypeError('upstream is an http(s) URL without credentials, query or fragment')
  }
  return { upstream: url }
}

/** The first route that fits answers, so one that an earlier route covers would guard nothing. */
function refuseShadowed(routes: readonly Route[]): void {
  routes.forEach((later, index) => {
    const earlier = routes.slice(0, index).find((route) => covers(route, later))
    if (earlier) {
      throw new TypeError(`ROUTES[${index}]: ${earlier.path} comes first and covers ${later.path}`)
    }
  })
}

function covers(earlier: Route, later: Route): boolean {
  const shared = later.methods?.some((method) => earlier.methods?.includes(method) ?? true)
  if (!(shared ?? true)) return false
  if (earlier.path === later.path) return true
  if (!earlier.path.endsWith('/*')) return false
  const base = earlier.path.slice(0, -2)
  return later.path === base || later.path.startsWith(`${base}/`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TypeError('ROUTES is a JSON array of routes', { cause })
  }
}
