/** A JSON object whose members were not checked yet. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Whether `value` is an object as JSON knows it: no array, no null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
