import { z } from 'zod'

import { times } from '../http.ts'
import type { Location } from '../places.ts'
import type { Secret } from '../secret-rows.ts'
import { folderPath } from '../validation.ts'

/** A value as recorded: trimmed, but one newline at the end survives. */
export const secretValue: z.ZodType<string, string> = z
  .string()
  .transform((value) => (value.endsWith('\n') ? `${value.trim()}\n` : value.trim()))

export const secretName: z.ZodString = z.string().trim()

export const secretComment: z.ZodOptional<z.ZodString> = z.string().trim().optional()

/** Personal secrets are refused, but their name is known. */
export const secretType = z.enum(['shared', 'personal']).default('shared')

/** Where a write goes. */
export const writePlace = {
  workspaceId: z.string().trim(),
  environment: z.string().trim(),
  secretPath: folderPath,
}

/** A secret as every answer shows it. */
export const shownSecret = (secret: Secret, { projectId, slug }: Location) => ({
  id: secret.id,
  _id: secret.id,
  workspace: projectId,
  environment: slug,
  version: secret.version,
  type: 'shared',
  secretKey: secret.name,
  secretValue: secret.value,
  secretComment: secret.comment,
  secretReminderNote: null,
  secretReminderRepeatDays: null,
  skipMultilineEncoding: false,
  metadata: null,
  ...times(secret),
})
