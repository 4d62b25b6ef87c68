import type { ConfigProblem } from './config.ts';
import type { JsonNode } from './json-text.ts';

/** Collects everything that is wrong with one file, in the order of reading. */
export class ProblemList {
  readonly #problems: ConfigProblem[] = [];

  /** Something that stops the start. */
  error(path: string, message: string): void {
    this.#problems.push({ severity: 'error', path, message });
  }

  /** Something that works, but perhaps not as meant. */
  warning(path: string, message: string): void {
    this.#problems.push({ severity: 'warning', path, message });
  }

  get hasErrors(): boolean {
    return this.#problems.some((problem) => problem.severity === 'error');
  }

  /** No more are shown: advice is no longer worth computing. */
  get isFull(): boolean {
    return this.#problems.length >= PROBLEMS_MAX;
  }

  /** The problems, errors first when they are too many to show all. */
  all(): readonly ConfigProblem[] {
    if (this.#problems.length <= PROBLEMS_MAX) return this.#problems;
    const kept = [
      ...this.#problems.filter((problem) => problem.severity === 'error'),
      ...this.#problems.filter((problem) => problem.severity === 'warning'),
    ].slice(0, PROBLEMS_MAX);
    const severity = this.hasErrors ? 'error' : 'warning';
    const more = this.#problems.length - kept.length;
    return [...kept, { severity, path: '', message: `${more} more problems are not shown` }];
  }
}

/** Nobody reads more at once, and a file of 1 MiB could hold a hundred thousand. */
export const PROBLEMS_MAX = 100;

/** Enough to recognise a value in a message. */
const QUOTED_LENGTH_MAX = 80;

/** A value of the file for a message: credentials in front of an `@` are masked, length is cut. */
export function quote(value: string): string {
  const masked = value.replace(
    /^(.*?:\/\/)?.*@/s,
    (_all, scheme?: string) => `${scheme ?? ''}***@`,
  );
  const cut =
    masked.length <= QUOTED_LENGTH_MAX ? masked : `${masked.slice(0, QUOTED_LENGTH_MAX - 1)}…`;
  return JSON.stringify(cut);
}

/** What kind of JSON value stands there, without the value: safe where a secret may stand. */
export function describeKind(node: JsonNode): string {
  switch (node.kind) {
    case 'null':
      return 'null';
    case 'boolean':
      return 'true or false';
    case 'array':
      return 'a list';
    case 'object':
      return 'an object';
    case 'number':
    case 'string':
      return `a ${node.kind}`;
  }
}

/** As `describeKind`, with the value of numbers and booleans. */
export function describeNode(node: JsonNode): string {
  if (node.kind === 'boolean') return String(node.value);
  return node.kind === 'number' ? node.text.slice(0, QUOTED_LENGTH_MAX) : describeKind(node);
}

/** End of a message that says what was expected instead of `node`. */
export function describeFound(node: JsonNode): string {
  return `, found ${node.kind === 'string' ? quote(node.value) : describeNode(node)}`;
}

/** Path of a member: `dns` + `ttlSeconds` is `dns.ttlSeconds`; odd keys are quoted. */
export function memberPath(parent: string, key: string): string {
  if (!/^[\w$-]{1,80}$/.test(key)) return `${parent}[${quote(key)}]`;
  return parent === '' ? key : `${parent}.${key}`;
}
