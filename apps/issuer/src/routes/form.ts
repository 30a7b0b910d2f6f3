import { TokenRefusal } from '../wire-errors.ts'

/** The parameters of a form body. One that was sent without a value counts as omitted. */
export interface Form {
  /** The value of a parameter, or `undefined` where it was omitted. */
  one(name: string): string | undefined
  /** Every value of a parameter that may be there several times. */
  all(name: string): readonly string[]
}

/** Parameters that may be repeated: RFC 8707 section 2, RFC 8693 section 2.1. */
const REPEATABLE: readonly string[] = ['audience', 'resource']

const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(;|$)/i

/**
 * Reads a form body.
 *
 * @throws {TokenRefusal} `body_not_form` for any other media type, `parameter_repeated`
 * @see RFC 6749 section 3.2: no parameter more than once, an empty one is omitted
 */
export async function readForm(request: {
  header(name: string): string | undefined
  text(): Promise<string>
}): Promise<Form> {
  if (!FORM_TYPE.test(request.header('content-type') ?? '')) {
    throw new TokenRefusal('body_not_form')
  }
  const parameters = new URLSearchParams(await request.text())
  const seen = new Set<string>()
  for (const name of parameters.keys()) {
    if (seen.has(name) && !REPEATABLE.includes(name)) throw new TokenRefusal('parameter_repeated')
    seen.add(name)
  }
  return {
    one: (name) => parameters.get(name) || undefined,
    all: (name) => parameters.getAll(name).filter((value) => value !== ''),
  }
}
