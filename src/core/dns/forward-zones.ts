import { assert } from '../base/assert.ts';
import type { ForwardZone, SocketAddress } from '../config/config.ts';
import { parseWireName } from './name.ts';

/** Picks the upstreams of a name outside our zones: those of the longest zone that it is in. */
export class ForwardZones {
  readonly #zones: readonly { readonly wire: Uint8Array; readonly zone: ForwardZone }[];

  /** `zones` come from a checked configuration. */
  constructor(zones: readonly ForwardZone[]) {
    this.#zones = zones
      .map((zone) => {
        const wire = parseWireName(zone.zone);
        assert(wire !== null, 'zone names are checked when the configuration is read');
        return { wire, zone };
      })
      .sort((a, b) => b.wire.length - a.wire.length);
  }

  /** The zone that a lower-case wire name of `length` octets is in; null for the default. */
  find(name: Uint8Array, length: number): ForwardZone | null {
    for (const { wire, zone } of this.#zones) {
      if (endsWithName(name, length, wire)) return zone;
    }
    return null;
  }

  get all(): readonly ForwardZone[] {
    return this.#zones.map(({ zone }) => zone);
  }
}

/** True if `suffix` is a parent of `name` or the same, on a label boundary. */
function endsWithName(name: Uint8Array, length: number, suffix: Uint8Array): boolean {
  const start = length - suffix.length;
  let label = 0;
  while (label < start) label += name[label]! + 1;
  if (label !== start) return false;
  for (let i = 0; i < suffix.length; i++) if (name[start + i] !== suffix[i]) return false;
  return true;
}

/** Where names outside our zones go; `system` upstreams are read when they are needed. */
export type UpstreamSource = () => readonly SocketAddress[] | Promise<readonly SocketAddress[]>;
