import { createInterface } from 'node:readline'
import type { TextStream } from './output.ts'

/**
 * Asks a question on a terminal and reads the line that is typed, without the white space around it.
 * The end of the input (Ctrl-D) is an empty line.
 */
export async function askLine(
  question: string,
  { input, output }: { readonly input: NodeJS.ReadableStream; readonly output: TextStream },
): Promise<string> {
  output.write(question)
  // The terminal itself edits the line, and Ctrl-C ends the command as anywhere else.
  const lines = createInterface({ input, terminal: false })
  return await new Promise((resolve) => {
    const onEnd = () => {
      output.write('\n')
      resolve('')
    }
    lines.once('close', onEnd)
    lines.once('line', (line) => {
      lines.off('close', onEnd)
      lines.close()
      resolve(line.trim())
    })
  })
}
