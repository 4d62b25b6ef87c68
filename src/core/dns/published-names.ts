import { assert } from '../base/assert.ts';
import { NO_ZONE } from './answer-table.ts';
import { NAME_BYTES_MAX } from './constants.ts';
import { NO_RECORD, type RecordStore } from './record-store.ts';

/** Names that a revision of records wrote anew, and those that it ended; nodes of the store. */
export interface RevisedNames {
  readonly written: readonly number[];
  readonly gone: readonly number[];
}

/** Mark of nodes whose zone was not looked for yet. */
const UNSEEN = -1;
/** Instead of a node that does not exist. */
const NO_NODE = -1;

/**
 * Which nodes of a store are names of a table: those with records, the apexes, and the empty
 * non-terminals between. A name with records below it exists, whether or not it has records itself
 * (RFC 8020 §2). Outside our zones nothing is answered, so there is nothing between names either.
 */
export class PublishedNames {
  readonly #store: RecordStore;
  readonly #apexes: ReadonlySet<number>;
  readonly #apexBytesMin: number;
  /** By node: index of its zone, NO_ZONE or UNSEEN. */
  #zones: Int32Array;
  /** By node: 1 for a name of the table, and how many names stand directly below it. */
  #isPublished: Int32Array;
  #children: Int32Array;
  /** Where `publish` lists new names. */
  #listed: number[] = [];
  /** The parent found last, by its length: siblings mostly come one after the other. */
  readonly #parents = new Int32Array(NAME_BYTES_MAX + 1).fill(NO_NODE);
  /** From a name up to one that was looked at before: a name has at most 128 labels. */
  readonly #path = new Int32Array(NAME_BYTES_MAX);

  /** `apexes`: nodes, by zone. */
  constructor(store: RecordStore, apexes: readonly number[]) {
    this.#store = store;
    this.#apexes = new Set(apexes);
    assert(this.#apexes.size === apexes.length, 'every zone has an apex of its own');
    this.#apexBytesMin = Math.min(...apexes.map((apex) => store.nameLength[apex]!));
    this.#zones = new Int32Array(store.nodeCount).fill(UNSEEN);
    this.#isPublished = new Int32Array(store.nodeCount);
    this.#children = new Int32Array(store.nodeCount);
    for (const [zone, apex] of apexes.entries()) this.#zones[apex] = zone;
  }

  /** All names of the table, the apexes first, in the order of their zones. */
  publishAll(): readonly number[] {
    this.#listed = [...this.#apexes];
    for (const apex of this.#apexes) this.#isPublished[apex] = 1;
    // A zone within a zone: the names between their apexes exist too.
    for (const apex of this.#apexes) this.#publishAbove(apex);
    const collected = this.#store.nodeCount;
    for (let node = 0; node < collected; node++) {
      if (this.#store.firstRecord[node] !== NO_RECORD) this.#publish(node);
    }
    return this.#listed;
  }

  /** Follows records that were added and taken back at these nodes. */
  revise(touched: Iterable<number>): RevisedNames {
    this.#listed = [];
    const kept: number[] = [];
    const gone: number[] = [];
    for (const node of touched) {
      if (this.#store.firstRecord[node] !== NO_RECORD) {
        if (this.#isName(node)) kept.push(node);
        else this.#publish(node);
      } else if (this.#isName(node)) {
        kept.push(node);
        this.#retract(node, gone);
      }
    }
    return {
      written: [...new Set([...kept, ...this.#listed])].filter((node) => this.#isName(node)),
      gone: [...new Set(gone)].filter((node) => !this.#isName(node)),
    };
  }

  /** Index of the zone that a node is in, or NO_ZONE. */
  zoneOf(start: number): number {
    const path = this.#path;
    let depth = 0;
    let node = start;
    while (this.#seenZone(node) === UNSEEN) {
      this.#zones[node] = NO_ZONE;
      path[depth++] = node;
      const parent = this.#parent(node);
      if (parent === NO_NODE) break;
      node = parent;
    }
    const zone = this.#zones[node]!;
    for (let i = 0; i < depth; i++) this.#zones[path[i]!] = zone;
    return zone;
  }

  #isName(node: number): boolean {
    return node < this.#isPublished.length && this.#isPublished[node] === 1;
  }

  #seenZone(node: number): number {
    if (node >= this.#zones.length) {
      this.#zones = enlarged(this.#zones, node, UNSEEN);
      this.#isPublished = enlarged(this.#isPublished, node, 0);
      this.#children = enlarged(this.#children, node, 0);
    }
    return this.#zones[node]!;
  }

  #publish(node: number): void {
    const zone = this.zoneOf(node);
    if (this.#isPublished[node] === 1) return;
    this.#isPublished[node] = 1;
    this.#listed.push(node);
    if (zone !== NO_ZONE) this.#publishAbove(node);
  }

  /** Makes the names above a new one exist. */
  #publishAbove(start: number): void {
    for (let node = start; ;) {
      const parent = this.#parent(node);
      if (parent === NO_NODE || this.zoneOf(parent) === NO_ZONE) return;
      this.#children[parent] = this.#children[parent]! + 1;
      if (this.#isPublished[parent] === 1) return;
      this.#isPublished[parent] = 1;
      this.#listed.push(parent);
      node = parent;
    }
  }

  /** Ends a name that has nothing any more, and those above that were there for its sake. */
  #retract(start: number, gone: number[]): void {
    for (let node = start; ;) {
      const isNeeded =
        this.#children[node]! > 0 ||
        this.#store.firstRecord[node] !== NO_RECORD ||
        this.#apexes.has(node);
      if (isNeeded) return;
      this.#isPublished[node] = 0;
      gone.push(node);
      const parent = this.#zones[node] === NO_ZONE ? NO_NODE : this.#parent(node);
      if (parent === NO_NODE || this.zoneOf(parent) === NO_ZONE) return;
      this.#children[parent] = this.#children[parent]! - 1;
      node = parent;
    }
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
    return parent;
  }
}

/** A column that has room for a node, with `rest` in what is new. */
function enlarged(column: Int32Array, node: number, rest: number): Int32Array {
  const larger = new Int32Array(Math.max(2 * column.length, node + 1)).fill(rest, column.length);
  larger.set(column);
  return larger;
}
