import { formatHostPort } from '../../core/base/host-port.ts';
import type { HostPort } from '../../core/config/config.ts';
import type { DetectedMasters } from '../leader/master-detector.ts';

/** Who the masters are and who leads, by the configuration, by ZooKeeper and by their own answers. */
export class KnownMasters {
  #configured: readonly HostPort[];
  #detected: DetectedMasters = { leader: null, masters: [] };
  /** Who answered as leader last: the address that worked, not the one it advertises. */
  #led: HostPort | null = null;

  constructor(configured: readonly HostPort[]) {
    this.#configured = configured;
  }

  /**
   * Who leads, as far as is known: who says so itself, since it can be reached; null: nobody knows.
   */
  get leader(): HostPort | null {
    return this.#led ?? this.#detected.leader;
  }

  /** Whom to ask, the likeliest leader first, and nobody twice; empty: nobody is known. */
  candidates(): readonly HostPort[] {
    const { leader, masters } = this.#detected;
    const all = [leader, this.#led, ...masters, ...this.#configured];
    const byText = new Map<string, HostPort>();
    for (const one of all) if (one !== null) byText.set(formatHostPort(one), one);
    return [...byText.values()];
  }

  /** Another configuration, which says nothing of who leads. */
  configure(masters: readonly HostPort[]): void {
    this.#configured = masters;
    this.#led = null;
    this.#detected = { leader: null, masters: [] };
  }

  /** Takes over what ZooKeeper says; returns whether somebody else leads now than was thought. */
  detect(detected: DetectedMasters): boolean {
    // Nobody has entered: those who were there may still be, and then there are those configured.
    if (detected.leader === null && detected.masters.length === 0) return false;
    const before = this.#detected.leader ?? this.#led;
    this.#detected = detected;
    if (isSameMaster(before, detected.leader)) return false;
    this.#led = null;
    return true;
  }

  /** This master has answered as leader. */
  answered(master: HostPort): void {
    this.#led = master;
  }
}

/** Whether both are the same address, or both nobody. */
export function isSameMaster(a: HostPort | null, b: HostPort | null): boolean {
  return a === b || (a !== null && b !== null && a.host === b.host && a.port === b.port);
}
