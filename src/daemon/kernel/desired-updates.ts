import { parseIpAddress } from '../../core/base/address.ts';
import type { Generation } from '../../core/generation.ts';
import { desiredDifference } from '../../core/views/ipvs-view.ts';
import type { DesiredUpdate } from './kernel-protocol.ts';

const encoder = new TextEncoder();

/**
 * Turns generations into what the kernel process is told: the difference to what it was told
 * before, so that one changed backend does not move a table of thousands.
 */
export class DesiredUpdates {
  #memory: ReadonlyMap<string, string> = new Map<string, string>();
  /** The parts of the last update besides its services; null: there was none. */
  #terms: string | null = null;

  /** The difference that a generation makes, as JSON; null if there is none. The first is whole. */
  next(generation: Generation, nodeAddresses: readonly string[]): Uint8Array<ArrayBuffer> | null {
    return this.#update(generation, nodeAddresses, this.#terms === null);
  }

  /** All of it, for a kernel process that knows nothing. */
  whole(generation: Generation, nodeAddresses: readonly string[]): Uint8Array<ArrayBuffer> | null {
    this.#memory = new Map();
    return this.#update(generation, nodeAddresses, true);
  }

  #update(
    { snapshot, vips }: Generation,
    nodeAddresses: readonly string[],
    isWhole: boolean,
  ): Uint8Array<ArrayBuffer> | null {
    const local = new Set(nodeAddresses);
    const { services, removed, memory } = desiredDifference(this.#memory, vips, local);
    this.#memory = memory;
    // A master that has just taken over knows the tasks of those agents alone that are back, and a
    // cluster without agents is more likely forgotten than gone.
    const mayRemove = snapshot.recoveringAgents === 0 && snapshot.agents.length > 0;
    const { host } = snapshot.leader;
    const towards = parseIpAddress(host) === null ? null : host;
    const terms = `${mayRemove} ${towards ?? ''}`;
    const isSame = services.length === 0 && removed.length === 0 && terms === this.#terms;
    this.#terms = terms;
    if (isSame && !isWhole) return null;
    const update: DesiredUpdate = { isWhole, services, removed, mayRemove, towards };
    return encoder.encode(JSON.stringify(update));
  }
}
