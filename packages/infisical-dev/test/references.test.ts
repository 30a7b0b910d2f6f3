import { expect, test } from 'vitest'

import { expandReferences } from '../src/references.ts'

const here = { environment: 'dev', secretPath: '/auth' }
const secrets: Readonly<Record<string, string>> = {
  'dev /auth A': 'a',
  'dev /auth B': '<$' + '{A}>',
  'prod /auth/jwt KID': 'k1',
  'dev /auth LOOP': '$' + '{LOOP}',
}
const lookUp = (place: typeof here, name: string) =>
  secrets[`${place.environment} ${place.secretPath} ${name}`]
const expand = (value: string) => expandReferences(value, here, lookUp)
const ref = (inside: string) => `$\{${inside}}`

test.each([
  ['no reference at all', 'plain', 'plain'],
  ['a name of the same folder', `x${ref('A')}y`, 'xay'],
  ['a name with a reference of its own', ref('B'), '<a>'],
  ['a name of another environment and folder', ref('prod.auth.jwt.KID'), 'k1'],
  ['one that leads nowhere stays as written', ref('NOPE'), ref('NOPE')],
  ['a circle comes to an end', ref('LOOP'), ref('LOOP')],
])('%s', (_what, value, expected) => {
  expect(expand(value)).toBe(expected)
})
