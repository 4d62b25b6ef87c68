import type { JsonSchema } from './route.ts';

/** Any text. */
export const string: JsonSchema = { type: 'string' };
/** true or false. */
export const boolean: JsonSchema = { type: 'boolean' };
/** A whole number from 0 on. */
export const count: JsonSchema = { type: 'integer', minimum: 0 };
/** A duration, fractions included. */
export const milliseconds: JsonSchema = { type: 'number', minimum: 0 };
/** A duration, or null. */
export const millisecondsOrNull: JsonSchema = { type: ['number', 'null'], minimum: 0 };
/** ISO 8601. */
export const time: JsonSchema = { type: 'string', format: 'date-time' };
/** ISO 8601, or null. */
export const timeOrNull: JsonSchema = { type: ['string', 'null'], format: 'date-time' };
/** A list of texts. */
export const strings: JsonSchema = listOf(string);
/** A text, or null. */
export const stringOrNull: JsonSchema = { type: ['string', 'null'] };
/** A port number. */
export const port: JsonSchema = { type: 'integer', minimum: 0, maximum: 65535 };

/** A list of these. */
export function listOf(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

/** An object that has exactly these members. */
export function exactly(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  };
}

/** The schema of this name. */
export function reference(name: string): JsonSchema {
  return { $ref: `${name}#` };
}

/** An object whose members may be missing. */
export function some(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', properties, additionalProperties: false };
}
