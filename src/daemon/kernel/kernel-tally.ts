import type { DaemonError } from '../../core/base/daemon-error.ts';
import { changeLine } from '../../core/ipvs/ipvsadm-text.ts';
import type { ChangeFailure } from '../../core/ports.ts';

/** What people can read; thousands of changes mostly fail for one reason. */
const REASONS_MAX = 8;
/** There are about 130 errno symbols, of which netlink uses a dozen. */
const ERROR_KINDS_MAX = 64;
const OTHER_ERRORS = 'other';

interface Reason {
  readonly text: string;
  count: number;
}

/** Counts what went well and what did not, and why. */
export class KernelTally {
  #changes = 0;
  #driftRepaired = 0;
  /** Updates that have come, and those that the last plan was made with. */
  #updates = 0;
  #planned = 0;
  readonly #errors = new Map<string, number>();
  /** Since the round began. */
  readonly #reasons = new Map<string, Reason>();

  get changes(): number {
    return this.#changes;
  }

  get driftRepaired(): number {
    return this.#driftRepaired;
  }

  /** Updates that plans were made with. */
  get updates(): number {
    return this.#planned;
  }

  /** Refused changes and failed requests by errno symbol. */
  get errors(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#errors);
  }

  /** Nothing is wrong since the round began. */
  get isClean(): boolean {
    return this.#reasons.size === 0;
  }

  get reasons(): readonly string[] {
    const all = [...this.#reasons.values()].map(({ text, count }) =>
      count === 1 ? text : `${text}; and ${count - 1} more like it`,
    );
    if (all.length <= REASONS_MAX) return all;
    return [...all.slice(0, REASONS_MAX), `and ${all.length - REASONS_MAX} more reasons`];
  }

  /** Begins a round: what was wrong before may be right now. */
  begin(): void {
    this.#reasons.clear();
  }

  /** An update has come. */
  took(): void {
    this.#updates++;
  }

  /** A plan is made with all updates so far. */
  planned(): void {
    this.#planned = this.#updates;
  }

  made(changes: number, driftRepaired: number): void {
    this.#changes += changes;
    this.#driftRepaired += driftRepaired;
  }

  refused({ change, errno, message }: ChangeFailure): void {
    this.#countError(errno);
    this.note(`${message} (${errno}: ${changeLine(change)})`, `${errno} ${message}`);
  }

  failed(error: DaemonError): void {
    this.#countError(errnoOf(error) ?? error.code);
    this.note(error.message);
  }

  /** Something is wrong; those with the same key count as one. */
  note(text: string, key: string = text): void {
    const known = this.#reasons.get(key);
    if (known !== undefined) known.count++;
    else this.#reasons.set(key, { text, count: 1 });
  }

  #countError(symbol: string): void {
    const isKnown = this.#errors.has(symbol) || this.#errors.size < ERROR_KINDS_MAX;
    const name = isKnown ? symbol : OTHER_ERRORS;
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1);
  }
}

/** The errno symbol behind an error, if it has one. */
function errnoOf({ cause }: DaemonError): string | null {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return null;
  return typeof cause.code === 'string' && /^E[A-Z0-9]+$/.test(cause.code) ? cause.code : null;
}
