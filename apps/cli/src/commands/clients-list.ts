import { isJsonObject } from '@keyturn/auth-core'
import { CliError } from '../cli-error.ts'
import { EXIT } from '../exit-codes.ts'
import { requestAdmin } from '../issuer-client.ts'
import { type Cell, formatTable } from '../table.ts'
import type { Verb } from '../verb.ts'

/** Lists the clients, without their secrets. */
export const listClients: Verb<object> = async (context) => {
  const answer = await requestAdmin(context, '/admin/clients', { method: 'GET' })
  if (!Array.isArray(answer.clients)) {
    throw new CliError('unreachable', 'unexpected_answer', 'the issuer answers no list of clients')
  }
  const clients = answer.clients.filter(isJsonObject)
  const { dim } = context.output.style
  const header: Cell[] = ['CLIENT ID', 'NAME', 'SCOPES', 'AUDIENCES'].map((title) => [title, dim])
  const rows = clients.map((client): Cell[] => [
    textOf(client.client_id),
    textOf(client.name),
    textOf(client.scopes),
    textOf(client.audiences),
  ])
  const lines = clients.length === 0 ? ['no client is registered'] : formatTable([header, ...rows])
  context.output.result(lines, { clients })
  return EXIT.ok
}

function textOf(value: unknown): string {
  const text = Array.isArray(value) ? value.join(' ') : String(value ?? '')
  return text === '' ? '-' : text
}
