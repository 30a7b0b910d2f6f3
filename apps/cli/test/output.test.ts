import { describe, expect, it } from 'vitest'
import { CliError } from '../src/cli-error.ts'
import { createOutput, printable } from '../src/output.ts'
import { formatTable } from '../src/table.ts'

function streams(isTTY: boolean) {
  const written = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof written) => ({
    isTTY,
    write: (text: string) => {
      written[name] += text
    },
  })
  return { written, stdout: stream('stdout'), stderr: stream('stderr') }
}

const error = new CliError('refused', 'gate_closed', 'the gate is closed', {
  why: ['edge eu did not answer'],
  next: ['keyturn keys check'],
  data: { obstacles: [] },
  cause: new Error('below'),
})

describe('output', () => {
  it('writes results to stdout, and everything else to stderr', () => {
    const { written, ...to } = streams(false)
    const output = createOutput({ ...to, env: {}, json: false, verbose: false })
    output.progress('asking')
    output.warn('late')
    output.result(['done'], { done: true })
    output.fail(error)
    expect(written).toEqual({
      stdout: 'done\n',
      stderr:
        'asking\nwarning: late\nerror: the gate is closed\n  edge eu did not answer\nnext: keyturn keys check\n',
    })
  })

  it('writes JSON with --json, one object per line on stderr, and no progress', () => {
    const { written, ...to } = streams(true)
    const output = createOutput({ ...to, env: {}, json: true, verbose: false })
    output.progress('asking')
    output.warn('late')
    output.result(['done'], { done: true })
    output.fail(error)
    expect(JSON.parse(written.stdout)).toEqual({ done: true })
    const [warning, failure, ...rest] = written.stderr.trimEnd().split('\n')
    expect(JSON.parse(warning ?? '')).toEqual({ warning: 'late' })
    expect(JSON.parse(failure ?? '')).toMatchObject({
      error: { code: 'gate_closed', exit: 3, obstacles: [] },
    })
    expect(rest).toEqual([])
  })

  it.each([
    ['a terminal', true, {}, true],
    ['a pipe', false, {}, false],
    ['NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR', true, { NO_COLOR: '' }, true],
    ['a dumb terminal', true, { TERM: 'dumb' }, false],
  ])('decides about colour: %s', (_name, isTTY, env, coloured) => {
    const { written, ...to } = streams(isTTY)
    const output = createOutput({ ...to, env, json: false, verbose: false })
    output.result([output.style.good('ok')], {})
    expect(written.stdout.includes('\u{1b}[32m')).toBe(coloured)
  })

  it('shows a stack only with --verbose, and then that of every cause', () => {
    const quiet = streams(false)
    createOutput({ ...quiet, env: {}, json: false, verbose: false }).fail(error)
    expect(quiet.written.stderr).not.toContain('    at ')
    const verbose = streams(false)
    createOutput({ ...verbose, env: {}, json: false, verbose: true }).fail(error)
    expect(verbose.written.stderr).toContain('Error: below')
    expect(verbose.written.stderr).toContain('    at ')
  })

  it('lets no text from elsewhere move the cursor or turn the reading direction', () => {
    expect(printable('a\u{1b}[2Jb\rc\u{202e}d\u{9b}e')).toBe(
      'a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e',
    )
    expect(formatTable([['\u{1b}[31mx']]).join()).not.toContain('\u{1b}')
  })
})

describe('formatTable', () => {
  it('aligns columns by their text, whatever it is painted with', () => {
    const paint = (text: string) => `<${text}>`
    expect(
      formatTable([
        ['A', 'B', 'C'],
        [['long', paint], 'x', ''],
      ]),
    ).toEqual(['A     B  C', '<long>  x'])
  })
})
