import { assert } from '../base/assert.ts';
import { NO_ZONE } from './answer-table.ts';
import { NAME_BYTES_MAX } from './constants.ts';
import { NO_RECORD, type RecordStore } from './record-store.ts';

/** The names that a table holds, as nodes of a store. */
export interface PublishedNames {
  /** Apexes first, in the order of their zones. */
  readonly nodes: Int32Array;
  /** By node of the store: index of its zone; NO_ZONE also for nodes that are not published. */
  readonly zones: Int32Array;
}

/** Mark of nodes that were not looked at yet. */
const UNSEEN = -1;
/** Instead of a node that does not exist. */
const NO_NODE = -1;

/**
 * Nodes to publish: those with records, the apexes, and the empty non-terminals between. A name
 * with records below it exists, whether or not it has records itself (RFC 8020 §2).
 */
export function publishedNames(store: RecordStore, apexes: readonly number[]): PublishedNames {
  assert(new Set(apexes).size === apexes.length, 'every zone has an apex of its own');
  return new Publication(store, apexes).result;
}

class Publication {
  readonly result: PublishedNames;
  readonly #store: RecordStore;
  readonly #apexBytesMin: number;
  #nodes: Int32Array;
  #count = 0;
  #zones: Int32Array;
  /** The parent found last, by its length: siblings mostly come one after the other. */
  readonly #parents = new Int32Array(NAME_BYTES_MAX + 1).fill(NO_NODE);
  /** From a name up to one that was looked at before: a name has at most 128 labels. */
  readonly #path = new Int32Array(NAME_BYTES_MAX);

  constructor(store: RecordStore, apexes: readonly number[]) {
    this.#store = store;
    this.#apexBytesMin = Math.min(...apexes.map((apex) => store.nameLength[apex]!));
    this.#nodes = new Int32Array(store.nodeCount);
    this.#zones = new Int32Array(store.nodeCount).fill(UNSEEN);
    for (const [zone, apex] of apexes.entries()) {
      this.#zones[apex] = zone;
      this.#publish(apex);
    }
    const collected = store.nodeCount;
    for (let node = 0; node < collected; node++) {
      if (store.firstRecord[node] !== NO_RECORD) this.#climb(node);
    }
    // A zone within a zone: the names between their apexes exist too.
    for (const apex of apexes) {
      const parent = this.#parent(apex);
      if (parent !== NO_NODE) this.#climb(parent);
    }
    const zones = this.#zones;
    for (let node = 0; node < zones.length; node++) {
      if (zones[node] === UNSEEN) zones[node] = NO_ZONE;
    }
    this.result = { nodes: this.#nodes.subarray(0, this.#count), zones };
  }

  #climb(start: number): void {
    const path = this.#path;
    let depth = 0;
    let node = start;
    while (this.#zones[node] === UNSEEN) {
      this.#zones[node] = NO_ZONE;
      path[depth++] = node;
      const parent = this.#parent(node);
      if (parent === NO_NODE) break;
      node = parent;
    }
    const zone = this.#zones[node]!;
    for (let i = 0; i < depth; i++) {
      const member = path[i]!;
      this.#zones[member] = zone;
      // Outside our zones nothing is answered, so there is nothing between names either.
      if (zone !== NO_ZONE || this.#store.firstRecord[member] !== NO_RECORD) this.#publish(member);
    }
  }

  #publish(node: number): void {
    if (this.#count === this.#nodes.length) this.#nodes = enlarged(this.#nodes, 0);
    this.#nodes[this.#count++] = node;
  }

  /** Node one label up; NO_NODE if that is shorter than every apex, and so in no zone. */
  #parent(node: number): number {
    const { names, nameAt, nameLength } = this.#store;
    const at = nameAt[node]!;
    const label = names[at]!;
    const rest = nameLength[node]! - label - 1;
    if (label === 0 || rest < this.#apexBytesMin) return NO_NODE;
    const last = this.#parents[rest]!;
    if (last !== NO_NODE) {
      const lastAt = nameAt[last]!;
      const restAt = at + label + 1;
      let i = 0;
      while (i < rest && names[lastAt + i] === names[restAt + i]) i++;
      if (i === rest) return last;
    }
    const parent = this.#store.ancestor(node, label + 1);
    this.#parents[rest] = parent;
    if (parent >= this.#zones.length) this.#zones = enlarged(this.#zones, UNSEEN);
    return parent;
  }
}

/** A column of twice the length, with `rest` in the new half. */
function enlarged(column: Int32Array, rest: number): Int32Array {
  const larger = new Int32Array(2 * column.length).fill(rest, column.length);
  larger.set(column);
  return larger;
}
