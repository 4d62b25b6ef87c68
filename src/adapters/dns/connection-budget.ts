import { isLoopback, parseIpAddress } from '../../core/base/address.ts';

/** How many connections there may be. */
export interface ConnectionCaps {
  /** All clients together. */
  readonly total: number;
  /** One client address. */
  readonly perClient: number;
  /** All loopback addresses together: every program of the node comes from them. */
  readonly loopback: number;
}

const LOOPBACK = 'loopback';

function clientOf(address: string): string {
  const ip = parseIpAddress(address);
  return ip !== null && isLoopback(ip) ? LOOPBACK : address;
}

/** Why a connection is refused. */
export type Refusal = 'total' | 'per-client';

/** Counts the connections of one or several listeners against common caps. */
export class ConnectionBudget {
  readonly #caps: ConnectionCaps;
  readonly #byClient = new Map<string, number>();
  #open = 0;

  constructor(caps: ConnectionCaps) {
    this.#caps = caps;
  }

  /** Takes a place for a connection from `address`, or says which cap is reached. */
  admit(address: string): Refusal | null {
    if (this.#open >= this.#caps.total) return 'total';
    const client = clientOf(address);
    const own = this.#byClient.get(client) ?? 0;
    const cap = client === LOOPBACK ? this.#caps.loopback : this.#caps.perClient;
    if (own >= cap) return 'per-client';
    this.#byClient.set(client, own + 1);
    this.#open++;
    return null;
  }

  /** Gives back a place that `admit` took. */
  release(address: string): void {
    const client = clientOf(address);
    const own = this.#byClient.get(client) ?? 0;
    if (own > 1) this.#byClient.set(client, own - 1);
    else this.#byClient.delete(client);
    this.#open--;
  }

  /** Share of all places taken, 0 to 1. */
  get load(): number {
    return this.#open / this.#caps.total;
  }
}
