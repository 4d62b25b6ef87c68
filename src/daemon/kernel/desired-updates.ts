import { parseIpAddress } from '../../core/base/address.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { Generation } from '../../core/generation.ts';
import type { ClusterSnapshot } from '../../core/mesos/snapshot.ts';
import {
  desiredChange,
  desiredDifference,
  type DesiredMemory,
} from '../../core/views/ipvs-view.ts';
import type { VipChanges } from '../../core/vip/vip-index.ts';
import type { DesiredUpdate } from './kernel-protocol.ts';

const encoder = new TextEncoder();

/**
 * How long agents that are missing after a failover are waited for: as long as the master itself
 * waits for them to register again (`--agent_reregister_timeout`).
 */
const FAILOVER_HOLD_SECONDS = 600;

/** What of a generation decides about the kernel. */
export type DesiringGeneration = Pick<Generation, 'snapshot' | 'vips' | 'vipChanges'>;

/**
 * Turns generations into what the kernel process is told: the difference to what it was told
 * before, so that one changed backend does not move a table of thousands.
 */
export class DesiredUpdates {
  readonly #memory: DesiredMemory = new Map<string, string>();
  /** Of the node, at the last update. */
  #nodeAddresses = '';
  /** The parts of the last update besides its services; null: there was none. */
  #terms: string | null = null;
  /** Leader and number of agents of the last state that could be believed. */
  #leader: string | null = null;
  #agents = 0;
  /** The last generation is of before the start. */
  #isSaved = false;
  /** Until when missing agents are waited for, seconds; null: none are missing. */
  #waitUntil: number | null = null;

  /**
   * The difference that a generation makes, as JSON; null if there is none. The first is whole.
   * `isSaved`: it is of before the start, and the kernel may know better.
   */
  next(
    generation: DesiringGeneration,
    nodeAddresses: readonly string[],
    nowSeconds: number,
    isSaved = false,
  ): Uint8Array<ArrayBuffer> | null {
    this.#judge(generation.snapshot, nowSeconds);
    this.#isSaved = isSaved;
    const isSame = nodeAddresses.join() === this.#nodeAddresses;
    const changes = this.#terms === null || !isSame ? null : generation.vipChanges;
    return this.#update(generation, nodeAddresses, this.#terms === null, changes);
  }

  /** All of it, for a kernel process that knows nothing. */
  whole(
    generation: DesiringGeneration,
    nodeAddresses: readonly string[],
  ): Uint8Array<ArrayBuffer> | null {
    this.#memory.clear();
    return this.#update(generation, nodeAddresses, true, null);
  }

  #update(
    { snapshot, vips }: DesiringGeneration,
    nodeAddresses: readonly string[],
    isWhole: boolean,
    changes: VipChanges | null,
  ): Uint8Array<ArrayBuffer> | null {
    const local = new Set(nodeAddresses);
    const { services, removed } =
      changes === null
        ? desiredDifference(this.#memory, vips, local)
        : desiredChange(this.#memory, changes, local);
    this.#nodeAddresses = nodeAddresses.join();
    // A cluster without agents is more likely forgotten than gone.
    const isComplete = snapshot.agents.length > 0 && snapshot.recovering.length === 0;
    const additionsOnly = this.#isSaved;
    const mayRemove = isComplete && this.#waitUntil === null && !additionsOnly;
    const { host } = snapshot.leader;
    const towards = parseIpAddress(host) === null ? null : host;
    const terms = `${mayRemove} ${additionsOnly} ${towards ?? ''}`;
    const isSame = services.length === 0 && removed.length === 0 && terms === this.#terms;
    this.#terms = terms;
    if (isSame && !isWhole) return null;
    const freedom = { mayRemove, additionsOnly };
    const update: DesiredUpdate = { isWhole, services, removed, ...freedom, towards };
    return encoder.encode(JSON.stringify(update));
  }

  /**
   * A master that has just taken over knows the tasks of those agents alone that are back, and not
   * every version or registry can say how many it waits for. The same master may have started anew.
   */
  #judge({ leader, agents }: ClusterSnapshot, nowSeconds: number): void {
    const from = formatHostPort(leader);
    const isMissing =
      this.#waitUntil !== null || (this.#leader !== null && from !== this.#leader)
        ? agents.length < this.#agents
        : 2 * agents.length < this.#agents;
    this.#leader = from;
    if (isMissing) {
      this.#waitUntil ??= nowSeconds + FAILOVER_HOLD_SECONDS;
      if (nowSeconds < this.#waitUntil) return;
    }
    this.#waitUntil = null;
    this.#agents = agents.length;
  }
}
