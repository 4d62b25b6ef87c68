import { err, ok } from '../base/result.ts';
import type { Result } from '../base/result.ts';

/**
 * JSON as it was written (RFC 8259): unlike `JSON.parse`, duplicate keys and the digits of numbers
 * survive. Both matter to the Mesos-DNS door, which must read as Go does.
 */
export type JsonNode =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number'; readonly value: number; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
  | JsonObject;

export interface JsonObject {
  readonly kind: 'object';
  readonly members: readonly JsonMember[];
}

export interface JsonMember {
  readonly key: string;
  readonly value: JsonNode;
}

/** A plain JSON value, for writing. */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Where the text stops being JSON; lines and columns (UTF-16 units) count from 1. */
export interface JsonSyntaxError {
  readonly line: number;
  readonly column: number;
  /** What stands there and what is expected; quotes nothing that could be part of a secret. */
  readonly message: string;
}

/** Our deepest configuration has four levels; the bound keeps hostile text off the call stack. */
export const JSON_DEPTH_MAX = 64;

/** Reads exactly one JSON value with nothing but white space around it. */
export function parseJson(text: string): Result<JsonNode, JsonSyntaxError> {
  return new JsonReader(text).read();
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const LITERALS: readonly (readonly [string, JsonNode])[] = [
  ['null', { kind: 'null' }],
  ['true', { kind: 'boolean', value: true }],
  ['false', { kind: 'boolean', value: false }],
];

/** Recursive descent; a null means that `failure` is set. */
class JsonReader {
  readonly #text: string;
  #at = 0;
  #failure: JsonSyntaxError | null = null;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Result<JsonNode, JsonSyntaxError> {
    const node = this.#value(0);
    if (node !== null) {
      this.#skipSpace();
      if (this.#at === this.#text.length) return ok(node);
      this.#fail('the end of the file after the value');
    }
    return err(this.#failure ?? this.#failureHere('a value'));
  }

  #value(depth: number): JsonNode | null {
    this.#skipSpace();
    if (depth >= JSON_DEPTH_MAX) return this.#fail(`at most ${JSON_DEPTH_MAX} levels`);
    const next = this.#text[this.#at];
    if (next === '{') return this.#object(depth);
    if (next === '[') return this.#array(depth);
    if (next === '"') {
      const value = this.#string();
      return value === null ? null : { kind: 'string', value };
    }
    for (const [word, node] of LITERALS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return node;
      }
    }
    return this.#number();
  }

  #object(depth: number): JsonNode | null {
    const members: JsonMember[] = [];
    this.#at++;
    if (this.#take('}')) return { kind: 'object', members };
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') return this.#fail('a key in double quotes');
      const key = this.#string();
      if (key === null) return null;
      if (!this.#take(':')) return this.#fail('a colon after the key');
      const value = this.#value(depth + 1);
      if (value === null) return null;
      members.push({ key, value });
    } while (this.#take(','));
    return this.#take('}') ? { kind: 'object', members } : this.#fail('a comma or "}"');
  }

  #array(depth: number): JsonNode | null {
    const items: JsonNode[] = [];
    this.#at++;
    if (this.#take(']')) return { kind: 'array', items };
    do {
      const item = this.#value(depth + 1);
      if (item === null) return null;
      items.push(item);
    } while (this.#take(','));
    return this.#take(']') ? { kind: 'array', items } : this.#fail('a comma or "]"');
  }

  #number(): JsonNode | null {
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#text)?.[0];
    if (text === undefined) return this.#fail('a value');
    this.#at += text.length;
    return { kind: 'number', value: Number(text), text };
  }

  #string(): string | null {
    let value = '';
    this.#at++;
    for (;;) {
      const plain = /[^"\\\u0000-\u001f]*/y;
      plain.lastIndex = this.#at;
      const run = plain.exec(this.#text)?.[0] ?? '';
      value += run;
      this.#at += run.length;
      const next = this.#text[this.#at];
      if (next === '"') {
        this.#at++;
        return value;
      }
      if (next !== '\\') return this.#fail('the closing quote of the string');
      const character = this.#escape();
      if (character === null) return null;
      value += character;
    }
  }

  #escape(): string | null {
    const letter = this.#text[this.#at + 1] ?? '';
    const hex = this.#text.slice(this.#at + 2, this.#at + 6);
    if (letter === 'u' && /^[0-9a-f]{4}$/i.test(hex)) {
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const character = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    if (character === undefined) {
      return this.#fail('an escape of JSON (write \\\\ for a backslash)');
    }
    this.#at += 2;
    return character;
  }

  #take(punctuation: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== punctuation) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #fail(expected: string): null {
    this.#failure ??= this.#failureHere(expected);
    return null;
  }

  #failureHere(expected: string): JsonSyntaxError {
    const before = this.#text.slice(0, this.#at);
    return {
      line: before.split('\n').length,
      column: before.length - before.lastIndexOf('\n'),
      message: `expected ${expected}${describeNext(this.#text[this.#at], before)}`,
    };
  }
}

function describeNext(next: string | undefined, before: string): string {
  if (next === undefined) return ', but the file ends here';
  if (next === '/' || next === '#') return ' (JSON has no comments)';
  if (next === '\ufeff') return ', but there is a byte order mark';
  if (next === '\n' || next === '\r') return ', but the line ends here';
  if (!'}],:'.includes(next)) return '';
  const isTrailingComma = next !== ':' && before.trimEnd().endsWith(',');
  return `, but there is "${next}"${isTrailingComma ? ' (remove the comma before it)' : ''}`;
}
