import { describe, expect, it } from 'vitest'
import { withDashedKids } from '../src/argv.ts'

const kid = `-e${'x'.repeat(41)}`

describe('withDashedKids', () => {
  it('puts a kid that begins with a dash where no option is looked for', () => {
    expect(withDashedKids(['keys', 'revoke', kid, '--reason', 'leak', '--yes'])).toEqual([
      ...['keys', 'revoke', '--reason', 'leak', '--yes', '--', kid],
    ])
  })

  it.each([
    [['keys', 'retire', `x${kid.slice(1)}`, '--json']],
    [['keys', 'retire', '--json', '--', kid]],
    [
      [
        'token',
        'mint',
        '-e',
        'prod',
        '--client-id',
        'a',
        '--a-long-option-that-nobody-ever-gave-a-name',
      ],
    ],
  ])('leaves %j as it is', (argv) => {
    expect(withDashedKids(argv)).toEqual(argv)
  })
})
