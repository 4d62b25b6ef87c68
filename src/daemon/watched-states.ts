import { RejectionList } from '../core/base/rejection.ts';
import { buildCatalog } from '../core/catalog/catalog.ts';
import type { Generation } from '../core/generation.ts';
import type { WatchFilter, WatchUpdate } from '../core/ports.ts';
import { watchChanges, watchEvent } from '../core/views/watch-changes.ts';
import {
  serviceStates,
  vipStates,
  watchSnapshot,
  type WatchStates,
} from '../core/views/watch-states.ts';
import type { ZoneSettings } from '../core/views/zone-view.ts';

/** A generation and its number, which the main thread gave it. */
export interface NumberedGeneration {
  readonly number: number;
  readonly generation: Generation;
}

/** What those who watch were told of last; kept only while somebody does. */
export class WatchedStates {
  #last: { readonly number: number; readonly states: WatchStates } | null = null;

  /** What has changed since the last time; the first time there is nothing to compare with. */
  update({ number, generation }: NumberedGeneration, settings: ZoneSettings): WatchUpdate {
    const before = this.#last;
    const states = statesOf(generation, settings);
    this.#last = { number, states };
    if (before === null) return { generation: number, previous: null, events: [] };
    const events = watchChanges(before.states, states).map((change) => watchEvent(change));
    return { generation: number, previous: before.number, events };
  }

  /** Nobody watches any more. */
  forget(): void {
    this.#last = null;
  }

  /** Text of `watchSnapshot`. */
  snapshot(
    { number, generation }: NumberedGeneration,
    settings: ZoneSettings,
    filter: WatchFilter,
  ): string {
    const known = this.#last?.number === number ? this.#last.states : null;
    return watchSnapshot(number, known ?? statesOf(generation, settings), filter);
  }
}

function statesOf(
  { snapshot, hosts, vips, programmed }: Generation,
  { names, dns }: ZoneSettings,
): WatchStates {
  const catalog = buildCatalog(snapshot, hosts, names, new RejectionList());
  return {
    services: serviceStates(catalog, { names, domain: dns.domain }),
    vips: vipStates(vips, dns.domain, programmed),
  };
}
