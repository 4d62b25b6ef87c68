import { lookup as systemLookup } from 'node:dns/promises';
import { LRUCache } from 'lru-cache';
import { parseIpAddress } from '../core/base/address.ts';
import type { Clock } from '../core/ports.ts';

/** Addresses of host names, remembered, without ever holding up the caller for long. */
export interface HostLookup {
  /**
   * Addresses of each name, sorted, IPv4 and IPv6. Waits up to `waitMs` for names that are new;
   * those still unknown then are absent. Names that do not exist or are no host names map to [].
   * What is out of date is given out while it is looked up again. Never rejects.
   */
  resolve(
    names: readonly string[],
    waitMs: number,
  ): Promise<ReadonlyMap<string, readonly string[]>>;
  /**
   * Calls back, once for all changes within a second, when a lookup has found something else than
   * `resolve` has said. The returned function ends that.
   */
  onChange(callback: () => void): () => void;
  /** Starts no more lookups, wakes who waits, forgets who listens. */
  close(): void;
}

/** How names are looked up and remembered; the defaults are in `createHostLookup`. */
export interface HostLookupOptions {
  readonly clock: Clock;
  /** All addresses of a name; the system resolver by default. */
  readonly lookup?: (name: string) => Promise<readonly { readonly address: string }[]>;
  /** How long an answer counts as up to date. */
  readonly ttlMs?: number;
  /** The same for "no such name" and failures. */
  readonly negativeTtlMs?: number;
  /** Lookups at a time. */
  readonly concurrency?: number;
  /** Names remembered; of one call, only so many names are answered for. */
  readonly entriesMax?: number;
}

interface Entry {
  readonly addresses: readonly string[];
  /** Monotonic milliseconds. */
  readonly freshUntil: number;
}

interface Lookup {
  readonly name: string;
  readonly done: Promise<void>;
  readonly finish: () => void;
  /** A caller has been answered without it. */
  missed: boolean;
}

/** RFC 1035 §2.3.4, presentation form without the final dot. */
const NAME_LENGTH_MAX = 253;

/** Letters, digits, hyphens (RFC 1123 §2.1) and underscores, which real hosts have. */
const HOST_NAME = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?$/;

/** Resolvers read such names as IPv4 in an old notation: `10.1` is 10.0.0.1. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/;

/** A host has a handful; a zone made to hurt can have thousands, each in every answer. */
const ADDRESSES_MAX = 64;

/** Lookups come in bursts; listeners rebuild everything, so once a second is enough. */
const CHANGE_DELAY_MS = 1_000;

/** Answer that needs no lookup; null if it takes one. */
function fixedAnswer(name: string): readonly string[] | null {
  const address = parseIpAddress(name);
  if (address !== null) return [address.text];
  const bounded = name.length <= NAME_LENGTH_MAX + (name.endsWith('.') ? 1 : 0);
  return bounded && HOST_NAME.test(name) && !ENDS_IN_NUMBER.test(name) ? null : [];
}

function sortedAddresses(found: readonly { readonly address: string }[]): readonly string[] {
  // Those with a zone (fe80::1%eth0) do not parse: they mean nothing on another node.
  const texts = found.map(({ address }) => parseIpAddress(address)?.text);
  const usable = texts.filter((text) => text !== undefined);
  return [...new Set(usable)].sort().slice(0, ADDRESSES_MAX);
}

function sameAddresses(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((address, i) => address === b[i]);
}

/** The resolver says that there is nothing, as opposed to not being able to say. */
function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOTFOUND';
}

class CachedHostLookup implements HostLookup {
  readonly #options: Required<HostLookupOptions>;
  readonly #entries: LRUCache<string, Entry>;
  /** Queued or running, by name; at most `entriesMax`. */
  readonly #underWay = new Map<string, Lookup>();
  readonly #queue: Lookup[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #wakeUps = new Set<() => void>();
  #running = 0;
  #closed = false;
  #cancelChange: (() => void) | null = null;

  constructor(options: Required<HostLookupOptions>) {
    this.#options = options;
    this.#entries = new LRUCache({ max: options.entriesMax });
  }

  async resolve(
    names: readonly string[],
    waitMs: number,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const keys = new Map(names.map((name) => [name, name.toLowerCase()]));
    const remembered = [...new Set(keys.values())].filter((key) => fixedAnswer(key) === null);
    const unknown: Promise<void>[] = [];
    // The same names at every call: taking turns, they would push each other out for ever.
    for (const key of remembered.slice(0, this.#options.entriesMax)) {
      const entry = this.#entries.get(key);
      if (entry !== undefined && this.#options.clock.monotonic() < entry.freshUntil) continue;
      const lookup = this.#lookUp(key);
      if (lookup !== null && entry === undefined) unknown.push(lookup.done);
    }
    if (unknown.length > 0 && waitMs > 0) await this.#atMost(waitMs, Promise.all(unknown));

    const answers = new Map<string, readonly string[]>();
    for (const [name, key] of keys) {
      const addresses = fixedAnswer(key) ?? this.#entries.peek(key)?.addresses;
      if (addresses !== undefined) answers.set(name, addresses);
      const lookup = this.#underWay.get(key);
      if (lookup !== undefined) lookup.missed = true;
    }
    return answers;
  }

  onChange(callback: () => void): () => void {
    const listener = (): void => callback();
    if (!this.#closed) this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
    this.#underWay.clear();
    this.#listeners.clear();
    this.#cancelChange?.();
    this.#cancelChange = null;
    for (const wakeUp of [...this.#wakeUps]) wakeUp();
  }

  /** Resolves when `work` does, after `waitMs`, or at the close. */
  async #atMost(waitMs: number, work: Promise<unknown>): Promise<void> {
    let wakeUp = (): void => undefined;
    const woken = new Promise<void>((resolve) => (wakeUp = resolve));
    this.#wakeUps.add(wakeUp);
    const cancelTimer = this.#options.clock.after(waitMs, wakeUp);
    await Promise.race([work, woken]);
    cancelTimer();
    this.#wakeUps.delete(wakeUp);
  }

  /** Joins or queues the lookup of a name; null when there is no room for it. */
  #lookUp(name: string): Lookup | null {
    const current = this.#underWay.get(name);
    if (current !== undefined) return current;
    if (this.#closed || this.#underWay.size >= this.#options.entriesMax) return null;
    let finish = (): void => undefined;
    const done = new Promise<void>((resolve) => (finish = resolve));
    const lookup: Lookup = { name, done, finish, missed: false };
    this.#underWay.set(name, lookup);
    this.#queue.push(lookup);
    this.#startNext();
    return lookup;
  }

  #startNext(): void {
    while (this.#running < this.#options.concurrency) {
      const lookup = this.#queue.shift();
      if (lookup === undefined) return;
      this.#running += 1;
      void this.#run(lookup);
    }
  }

  async #run(lookup: Lookup): Promise<void> {
    const previous = this.#entries.peek(lookup.name);
    const found = await this.#ask(lookup.name);
    this.#running -= 1;
    if (this.#closed) return;
    const { clock, ttlMs, negativeTtlMs } = this.#options;
    // The resolver may only be out of order for a while; what it said before is still the best.
    const addresses = found ?? previous?.addresses ?? [];
    const good = found !== null && found.length > 0;
    const freshUntil = clock.monotonic() + (good ? ttlMs : negativeTtlMs);
    this.#entries.set(lookup.name, { addresses, freshUntil });
    this.#underWay.delete(lookup.name);
    const changed = previous === undefined || !sameAddresses(previous.addresses, addresses);
    if (changed && lookup.missed) this.#announceChange();
    lookup.finish();
    this.#startNext();
  }

  /** [] when the name has no address; null when that could not be found out. */
  async #ask(name: string): Promise<readonly string[] | null> {
    try {
      return sortedAddresses(await this.#options.lookup(name));
    } catch (error) {
      return isNotFound(error) ? [] : null;
    }
  }

  #announceChange(): void {
    this.#cancelChange ??= this.#options.clock.after(CHANGE_DELAY_MS, () => {
      this.#cancelChange = null;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}

/**
 * Cached lookups through the system resolver (/etc/hosts included), a few at a time and never in
 * the way: this daemon may itself be the resolver that it asks. A lookup that has begun cannot be
 * stopped, only ignored; it ends by the timeouts of resolv.conf(5).
 */
export function createHostLookup(options: HostLookupOptions): HostLookup {
  return new CachedHostLookup({
    lookup: (name) => systemLookup(name, { all: true, verbatim: true }),
    ttlMs: 300_000,
    negativeTtlMs: 30_000,
    concurrency: 16,
    entriesMax: 10_000,
    ...options,
  });
}
