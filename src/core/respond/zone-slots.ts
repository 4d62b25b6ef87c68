import { OTHER } from './labels.ts';

/** Zones with counters of their own, the two slots that many share included. */
export const ZONE_SLOTS = 64;

/** Slot of everything outside our zones, whose label is `.`. */
export const OUTSIDE_SLOT = 0;

/** Slot of the zones that found no free one. */
const LAST_SLOT = ZONE_SLOTS - 1;

/**
 * Gives every zone of ours its slot in the counters, on the main thread. A zone keeps its slot for
 * as long as the process lives: its counts must not become those of another after a reload. Zones
 * come from the configuration; when it has named more than there are slots, all others share one.
 */
export class ZoneSlots {
  readonly #slotByName = new Map<string, number>();
  readonly #names: string[] = ['.'];

  /** Slots of zones, in their order; names as owner names, such as `mesos.`. */
  slotsOf(names: readonly string[]): Uint8Array {
    return Uint8Array.from(names, (name) => this.#slotOf(name));
  }

  /** The zone of a slot, `other` for the one that several share. */
  nameOf(slot: number): string {
    return this.#names[slot] ?? OTHER;
  }

  #slotOf(name: string): number {
    const known = this.#slotByName.get(name);
    if (known !== undefined) return known;
    const slot = this.#names.length;
    // Names without a slot are not remembered: reloads may name new zones for ever.
    if (slot >= LAST_SLOT) return LAST_SLOT;
    this.#names.push(name);
    this.#slotByName.set(name, slot);
    return slot;
  }
}
