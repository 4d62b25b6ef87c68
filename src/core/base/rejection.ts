/** A piece of input that was left out, and nothing else with it. Listed under `/v1/rejections`. */
export interface Rejection {
  /** Where in the input, such as `frameworks[0].tasks[12].discovery.ports[1].number`. */
  readonly path: string;
  /** Stable, machine-readable reason, such as `port-out-of-range`. */
  readonly code: string;
  /** The offending value as text, cut to `REJECTED_VALUE_LENGTH_MAX` characters. */
  readonly value: string;
}

/** Enough to recognise a value; hostile input must not fill logs and memory through us. */
export const REJECTED_VALUE_LENGTH_MAX = 120;

/** Renders any value of the input for a `Rejection`. */
export function rejectedValue(value: unknown): string {
  const text = typeof value === 'string' ? value : jsonStart(value, REJECTED_VALUE_LENGTH_MAX);
  return text.length <= REJECTED_VALUE_LENGTH_MAX
    ? text
    : `${text.slice(0, REJECTED_VALUE_LENGTH_MAX - 1)}…`;
}

/**
 * JSON of a value, left unfinished once it is longer than `room`. Unlike JSON.stringify it stays out
 * of the rest of a huge value, and a hostile `[[[[…` does not overflow the stack: every level down
 * takes a character of the room.
 */
function jsonStart(value: unknown, room: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const isList = Array.isArray(value);
  let text = isList ? '[' : '{';
  for (const [key, member] of Object.entries(value)) {
    if (text.length > room) return text;
    if (text.length > 1) text += ',';
    if (!isList) text += `${JSON.stringify(key)}:`;
    text += jsonStart(member, room - text.length);
  }
  return text + (isList ? ']' : '}');
}

/** How many rejections are kept with their text; more are only counted. */
export const REJECTIONS_LISTED_MAX = 1_000;

/** Collects what was left out of one generation; bounded, since hostile input can reject a lot. */
export class RejectionList {
  readonly #items: Rejection[] = [];
  #total = 0;

  add(path: string, code: string, value: unknown): void {
    this.#total++;
    if (this.#items.length >= REJECTIONS_LISTED_MAX) return;
    this.#items.push({ path, code, value: rejectedValue(value) });
  }

  /** Takes over what another list holds, counts included. */
  addAll(other: RejectionList): void {
    this.#items.push(...other.#items.slice(0, REJECTIONS_LISTED_MAX - this.#items.length));
    this.#total += other.#total;
  }

  /** All but those at these paths of the input or below; those not listed stay counted. */
  without(paths: readonly string[]): RejectionList {
    const rest = new RejectionList();
    const isAt = (path: string): boolean => paths.some((one) => isPathIn(path, one));
    rest.#items.push(...this.#items.filter(({ path }) => !isAt(path)));
    rest.#total = this.#total - this.#items.length + rest.#items.length;
    return rest;
  }

  /** The first REJECTIONS_LISTED_MAX. */
  get items(): readonly Rejection[] {
    return this.#items;
  }

  get total(): number {
    return this.#total;
  }
}

/** Whether a path is another, or leads on from it. */
function isPathIn(path: string, parent: string): boolean {
  return path.startsWith(parent) && /^(?:$|[.[])/.test(path.slice(parent.length));
}
