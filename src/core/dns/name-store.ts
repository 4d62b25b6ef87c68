import { hashWireName, type NameDefect, nameDefect, NameEncoder, type OwnerName } from './name.ts';

/** Room that a store starts with; it doubles as needed. */
const NODES_FIRST = 1 << 10;

/** Hears of every name that cannot be published, and why. */
export type DefectListener = (name: OwnerName, defect: NameDefect | 'record-limit') => void;

/**
 * Names as numbers, their nodes: in columns rather than objects, since a cluster of 10,000 tasks has
 * 150,000 of them. A node stays until `reset`.
 */
export class NameStore {
  /** Octets of all names in lower-case wire form, one behind the other. */
  names: Uint8Array = new Uint8Array(1 << 16);
  /** Per node: where its name starts, how long it is, its hash. */
  nameAt: Int32Array = new Int32Array(NODES_FIRST);
  nameLength: Int32Array = new Int32Array(NODES_FIRST);
  hash: Int32Array = new Int32Array(NODES_FIRST);
  nodeCount = 0;

  protected onDefect: DefectListener;
  readonly #encoder = new NameEncoder();
  #namesEnd = 0;
  /** Open addressing: node + 1 by hash of the name. */
  #slots = new Int32Array(1 << 10);

  constructor(onDefect: DefectListener) {
    this.onDefect = onDefect;
  }

  /** Forgets everything but keeps the memory, for the next generation. */
  reset(onDefect: DefectListener): void {
    this.onDefect = onDefect;
    this.nodeCount = 0;
    this.#namesEnd = 0;
    this.#slots.fill(0);
  }

  /** Node of a name, made if need be; -1 if the name cannot be published. */
  node(name: OwnerName): number {
    const length = this.#encoder.encode(name);
    if (length === 0) {
      this.onDefect(name, nameDefect(name) ?? 'character');
      return -1;
    }
    return this.intern(this.#encoder.bytes, 0, length, this.#encoder.hash | 0);
  }

  /** Node of the name that starts `skip` octets into another node's name, made if need be. */
  ancestor(node: number, skip: number): number {
    const at = this.nameAt[node]! + skip;
    const length = this.nameLength[node]! - skip;
    return this.intern(this.names, at, length, hashWireName(this.names, at, length) | 0);
  }

  /** Whether a node's name ends in that of another, and is longer. */
  isBelow(node: number, parent: number): boolean {
    const { names } = this;
    const size = this.nameLength[parent]!;
    const head = this.nameLength[node]! - size;
    if (head <= 0) return false;
    const at = this.nameAt[node]!;
    const parentAt = this.nameAt[parent]!;
    for (let i = 0; i < size; i++) {
      if (names[at + head + i] !== names[parentAt + i]) return false;
    }
    let label = 0;
    while (label < head) label += 1 + names[at + label]!;
    return label === head;
  }

  /** Makes room for columns that are kept per node; called before a node beyond it is made. */
  protected growNodes(): void {
    this.nameAt = doubled(this.nameAt);
    this.nameLength = doubled(this.nameLength);
    this.hash = doubled(this.hash);
  }

  /** Node of a name in lower-case wire form with its `hashWireName`, made if need be. */
  protected intern(bytes: Uint8Array, at: number, length: number, hash: number): number {
    let slot = this.#slotOf(hash, bytes, at, length);
    const found = this.#slots[slot]! - 1;
    if (found >= 0) return found;
    const node = this.nodeCount++;
    if (node === this.nameAt.length) this.growNodes();
    if (this.#namesEnd + length > this.names.length) {
      const larger = new Uint8Array(2 * this.names.length);
      larger.set(this.names);
      this.names = larger;
    }
    const names = this.names;
    const end = this.#namesEnd;
    for (let i = 0; i < length; i++) names[end + i] = bytes[at + i]!;
    this.nameAt[node] = end;
    this.nameLength[node] = length;
    this.hash[node] = hash;
    this.#namesEnd = end + length;
    if (2 * this.nodeCount > this.#slots.length) {
      this.#growSlots();
      slot = this.#slotOf(hash, this.names, this.nameAt[node], length);
    }
    this.#slots[slot] = node + 1;
    return node;
  }

  #slotOf(hash: number, bytes: Uint8Array, at: number, length: number): number {
    const slots = this.#slots;
    const hashes = this.hash;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const node = slots[slot]! - 1;
      if (node < 0) return slot;
      if (hashes[node] !== hash || this.nameLength[node] !== length) continue;
      const names = this.names;
      const stored = this.nameAt[node]!;
      let i = 0;
      while (i < length && names[stored + i] === bytes[at + i]) i++;
      if (i === length) return slot;
    }
  }

  #growSlots(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let node = 0; node < this.nodeCount - 1; node++) {
      let slot = this.hash[node]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = node + 1;
    }
    this.#slots = slots;
  }
}

/** A column of twice the length, with `rest` in what is new. */
export function doubled(column: Int32Array, rest = 0): Int32Array {
  const larger = new Int32Array(2 * column.length).fill(rest, column.length);
  larger.set(column);
  return larger;
}
