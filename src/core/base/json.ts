/** Reading members of parsed JSON whose shape nobody has checked yet. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** The value as an object, null if it is anything else (arrays included). */
export function asObject(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : null;
}

/** The value as a list, null if it is anything else. */
export function asArray(value: unknown): readonly unknown[] | null {
  return Array.isArray(value) ? value : null;
}

/** Mesos writes an absent list as missing, null or []. */
export function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}
