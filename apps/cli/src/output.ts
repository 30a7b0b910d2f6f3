import type { CliError } from './cli-error.ts'

/** Colours a text, or leaves it as it is where colours are off. */
export type Paint = (text: string) => string

/** The few styles that there are. */
export interface Style {
  readonly bold: Paint
  readonly dim: Paint
  readonly good: Paint
  readonly bad: Paint
  readonly wait: Paint
}

/** A stream that text is written to, such as `process.stdout`. */
export interface TextStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/**
 * The rules of output, in one place: results go to stdout; progress, warnings and errors to stderr;
 * with `--json` a result is one JSON document on stdout, and what goes to stderr is one JSON object
 * per line, without progress.
 */
export interface Output {
  readonly json: boolean
  /** Styles for the lines of a result. */
  readonly style: Style
  /** Prints what a command was asked for: lines for people, `data` for programs. */
  result(lines: readonly string[], data: unknown): void
  /** Says what is being done, to people. */
  progress(line: string): void
  /** Says what went wrong without failing the command. */
  warn(line: string): void
  /** Says why the command failed; with `--verbose` followed by the stack of every cause. */
  fail(error: CliError): void
}

/** What decides about the form of the output. */
export interface OutputOptions {
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly json: boolean
  readonly verbose: boolean
}

/** Makes the output of one command. */
export function createOutput({ stdout, stderr, env, json, verbose }: OutputOptions): Output {
  const errorStyle = createStyle(usesColour(stderr, env))

  function fail(error: CliError): void {
    const lines = json
      ? [JSON.stringify({ error: errorData(error) })]
      : errorLines(error, errorStyle)
    const stacks = verbose ? stackLines(error) : []
    stderr.write(`${[...lines, ...stacks].join('\n')}\n`)
  }

  return {
    json,
    style: createStyle(!json && usesColour(stdout, env)),
    result: (lines, data) =>
      stdout.write(json ? `${JSON.stringify(data, undefined, 2)}\n` : `${lines.join('\n')}\n`),
    progress: (line) => {
      if (!json) stderr.write(`${errorStyle.dim(printable(line))}\n`)
    },
    warn: (line) => {
      const text = `${errorStyle.wait('warning:')} ${printable(line)}`
      stderr.write(`${json ? JSON.stringify({ warning: line }) : text}\n`)
    },
    fail,
  }
}

/**
 * Makes text from elsewhere safe for a terminal: a name or message that an attacker chose moves no
 * cursor and rewrites no line.
 */
export function printable(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, '\u{fffd}')
}

/** Whether `stream` gets colours: a terminal that can show them, and no NO_COLOR. */
function usesColour(stream: TextStream, env: OutputOptions['env']): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
}

function createStyle(colours: boolean): Style {
  const paint =
    (open: number, close: number): Paint =>
    (text) =>
      colours ? `\u{1b}[${open}m${text}\u{1b}[${close}m` : text
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    good: paint(32, 39),
    bad: paint(31, 39),
    wait: paint(33, 39),
  }
}

function errorData({ code, exit, message, why, next, data }: CliError): object {
  return { code, exit, message, why, next, ...data }
}

function errorLines({ message, why, next }: CliError, style: Style): readonly string[] {
  return [
    `${style.bad('error:')} ${printable(message)}`,
    ...why.map((line) => `  ${printable(line)}`),
    ...next.map((line) => `${style.bold('next:')} ${printable(line)}`),
  ]
}

function stackLines(error: Error): readonly string[] {
  const stacks: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    stacks.push((at.stack ?? String(at)).split('\n').map(printable).join('\n'))
  }
  return stacks
}
