import type { IpAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { NAME_BYTES_MAX } from './constants.ts';
import {
  hashWireName,
  type NameDefect,
  nameDefect,
  NameEncoder,
  type OwnerName,
  readOwnerName,
} from './name.ts';
import type { RecordSink } from './zone.ts';

/**
 * Most records of one generation: 40 times what 10,000 ordinary tasks make. Beyond it a hostile
 * state (huge port ranges on many tasks) would take the node's memory.
 */
export const RECORDS_MAX = 4_000_000;

export const RECORD_KIND = { A: 0, AAAA: 1, SRV: 2, PTR: 3 } as const;

/** Room that a store starts with; it doubles as needed. */
const NODES_FIRST = 1 << 10;
const RECORDS_FIRST = 1 << 11;

/** End of a list of records. */
export const NO_RECORD = -1;

/**
 * All records of one generation while they are collected: names and records in columns of numbers
 * rather than objects, since a cluster of 10,000 tasks makes 160,000 of them every time. Records
 * of an owner are a set without order, as RFC 2181 §5 has RRsets.
 */
export class RecordStore implements RecordSink {
  /** Octets of all names in lower-case wire form, one behind the other. */
  names: Uint8Array = new Uint8Array(1 << 16);
  /** Per node: where its name starts, how long it is, its hash, its newest record. */
  nameAt: Int32Array = new Int32Array(NODES_FIRST);
  nameLength: Int32Array = new Int32Array(NODES_FIRST);
  hash: Int32Array = new Int32Array(NODES_FIRST);
  firstRecord: Int32Array = new Int32Array(NODES_FIRST);
  /** Per record: kind, address index or port or 0, target node or -1, next of the owner. */
  kind: Int32Array = new Int32Array(RECORDS_FIRST);
  value: Int32Array = new Int32Array(RECORDS_FIRST);
  target: Int32Array = new Int32Array(RECORDS_FIRST);
  nextRecord: Int32Array = new Int32Array(RECORDS_FIRST);
  readonly addresses: IpAddress[] = [];
  nodeCount = 0;
  recordCount = 0;

  #owner: Int32Array = new Int32Array(RECORDS_FIRST);
  readonly #addressIndex = new Map<string, number>();
  /** The address named last and its index: names of one task share it. */
  #lastAddress: IpAddress | null = null;
  #lastAddressIndex = -1;
  #onDefect: (name: OwnerName, defect: NameDefect | 'record-limit') => void;
  readonly #encoder = new NameEncoder();
  readonly #movedName = new Uint8Array(NAME_BYTES_MAX);
  /** The target named last and its node: ports of one task share it. */
  #lastTarget: OwnerName | null = null;
  #lastTargetNode = -1;
  #namesEnd = 0;
  /** Open addressing: node + 1 by hash of the name, record + 1 by hash of what it says. */
  #nodeSlots = new Int32Array(1 << 10);
  #recordSlots = new Int32Array(1 << 10);

  /** `onDefect` hears of every name that cannot be published, and why. */
  constructor(onDefect: (name: OwnerName, defect: NameDefect | 'record-limit') => void) {
    this.#onDefect = onDefect;
  }

  /** Forgets everything but keeps the memory, for the next generation. */
  reset(onDefect: (name: OwnerName, defect: NameDefect | 'record-limit') => void): void {
    this.#onDefect = onDefect;
    this.nodeCount = 0;
    this.recordCount = 0;
    this.addresses.length = 0;
    this.#addressIndex.clear();
    this.#lastAddress = null;
    this.#lastTarget = null;
    this.#namesEnd = 0;
    this.#nodeSlots.fill(0);
    this.#recordSlots.fill(0);
  }

  /** Adds an A or AAAA record; false if it was there already or cannot be published. */
  address(owner: OwnerName, address: IpAddress): boolean {
    const node = this.#ownerNode(owner);
    if (node < 0) return false;
    if (address !== this.#lastAddress) {
      let index = this.#addressIndex.get(address.text);
      if (index === undefined) {
        index = this.addresses.push(address) - 1;
        this.#addressIndex.set(address.text, index);
      }
      this.#lastAddress = address;
      this.#lastAddressIndex = index;
    }
    const kind = address.family === 4 ? RECORD_KIND.A : RECORD_KIND.AAAA;
    return this.#add(node, kind, this.#lastAddressIndex, -1);
  }

  /** Adds an SRV record; false if it was there already or cannot be published. */
  service(owner: OwnerName, target: OwnerName, port: number): boolean {
    assert(port >= 0 && port <= 65_535, 'ports are checked when the state is read');
    const node = this.#ownerNode(owner);
    if (node < 0) return false;
    if (target !== this.#lastTarget) {
      this.#lastTargetNode = this.node(target);
      this.#lastTarget = target;
    }
    const targetNode = this.#lastTargetNode;
    return targetNode >= 0 && this.#add(node, RECORD_KIND.SRV, port, targetNode);
  }

  /** Adds a PTR record; false if it was there already or cannot be published. */
  pointer(owner: OwnerName, target: OwnerName): boolean {
    const node = this.#ownerNode(owner);
    if (node < 0) return false;
    const targetNode = this.node(target);
    return targetNode >= 0 && this.#add(node, RECORD_KIND.PTR, 0, targetNode);
  }

  /**
   * Gives every name below `from` its records below `to` too, with targets below `from` moved
   * along. Cheaper than adding them again: most of a name is copied, and nothing becomes text.
   */
  copyBelow(from: OwnerName, to: OwnerName): void {
    const [source, destination] = [this.node(from), this.node(to)];
    if (source < 0 || destination < 0 || source === destination) return;
    const end = this.nodeCount;
    for (let node = 0; node < end; node++) {
      if (this.firstRecord[node] === NO_RECORD || !this.#isBelow(node, source)) continue;
      const copy = this.#moved(node, source, destination);
      let record = copy < 0 ? NO_RECORD : this.firstRecord[node]!;
      for (; record !== NO_RECORD; record = this.nextRecord[record]!) {
        if (this.recordCount >= RECORDS_MAX) {
          this.#onDefect(readOwnerName(this.names, this.nameAt[copy]!), 'record-limit');
          return;
        }
        let target = this.target[record]!;
        if (target >= 0 && this.#isBelow(target, source)) {
          target = this.#moved(target, source, destination);
          if (target < 0) continue;
        }
        this.#add(copy, this.kind[record]!, this.value[record]!, target);
      }
    }
  }

  #isBelow(node: number, parent: number): boolean {
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

  /** Node of the name that a node below `from` has below `to`; -1 if it would be too long. */
  #moved(node: number, from: number, to: number): number {
    const head = this.nameLength[node]! - this.nameLength[from]!;
    const size = this.nameLength[to]!;
    const { names } = this;
    const bytes = this.#movedName;
    if (head + size > NAME_BYTES_MAX) {
      this.#onDefect(readOwnerName(this.names, this.nameAt[node]!), 'too-long');
      return -1;
    }
    for (let i = 0, at = this.nameAt[node]!; i < head; i++) bytes[i] = names[at + i]!;
    for (let i = 0, at = this.nameAt[to]!; i < size; i++) bytes[head + i] = names[at + i]!;
    return this.#intern(bytes, 0, head + size, hashWireName(bytes, 0, head + size) | 0);
  }

  /** Node of a record's owner, -1 if there may be no more records or the name is defective. */
  #ownerNode(owner: OwnerName): number {
    if (this.recordCount < RECORDS_MAX) return this.node(owner);
    this.#onDefect(owner, 'record-limit');
    return -1;
  }

  /** Node of a name, made if need be; -1 if the name cannot be published. */
  node(name: OwnerName): number {
    const length = this.#encoder.encode(name);
    if (length === 0) {
      this.#onDefect(name, nameDefect(name) ?? 'character');
      return -1;
    }
    return this.#intern(this.#encoder.bytes, 0, length, this.#encoder.hash | 0);
  }

  /** Node of the name that starts `skip` octets into another node's name, made if need be. */
  ancestor(node: number, skip: number): number {
    const at = this.nameAt[node]! + skip;
    const length = this.nameLength[node]! - skip;
    return this.#intern(this.names, at, length, hashWireName(this.names, at, length) | 0);
  }

  #intern(bytes: Uint8Array, at: number, length: number, hash: number): number {
    let slot = this.#nodeSlot(hash, bytes, at, length);
    const found = this.#nodeSlots[slot]! - 1;
    if (found >= 0) return found;
    const node = this.nodeCount++;
    if (node === this.nameAt.length) this.#growNodes();
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
    this.firstRecord[node] = NO_RECORD;
    this.#namesEnd = end + length;
    if (2 * this.nodeCount > this.#nodeSlots.length) {
      this.#growNodeSlots();
      slot = this.#nodeSlot(hash, this.names, this.nameAt[node], length);
    }
    this.#nodeSlots[slot] = node + 1;
    return node;
  }

  #nodeSlot(hash: number, bytes: Uint8Array, at: number, length: number): number {
    const slots = this.#nodeSlots;
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

  #growNodes(): void {
    this.nameAt = doubled(this.nameAt);
    this.nameLength = doubled(this.nameLength);
    this.hash = doubled(this.hash);
    this.firstRecord = doubled(this.firstRecord);
  }

  #growRecords(): void {
    this.#owner = doubled(this.#owner);
    this.kind = doubled(this.kind);
    this.value = doubled(this.value);
    this.target = doubled(this.target);
    this.nextRecord = doubled(this.nextRecord);
  }

  #growNodeSlots(): void {
    const slots = new Int32Array(2 * this.#nodeSlots.length);
    const mask = slots.length - 1;
    for (let node = 0; node < this.nodeCount - 1; node++) {
      let slot = this.hash[node]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = node + 1;
    }
    this.#nodeSlots = slots;
  }

  #add(owner: number, kind: number, value: number, target: number): boolean {
    if (2 * (this.recordCount + 1) > this.#recordSlots.length) this.#growRecordSlots();
    const mask = this.#recordSlots.length - 1;
    let slot = recordHash(owner, kind, value, target) & mask;
    for (; this.#recordSlots[slot] !== 0; slot = (slot + 1) & mask) {
      const record = this.#recordSlots[slot]! - 1;
      if (
        this.#owner[record] === owner &&
        this.kind[record] === kind &&
        this.value[record] === value &&
        this.target[record] === target
      ) {
        return false;
      }
    }
    const record = this.recordCount;
    if (record === this.kind.length) this.#growRecords();
    this.recordCount++;
    this.#recordSlots[slot] = record + 1;
    this.#owner[record] = owner;
    this.kind[record] = kind;
    this.value[record] = value;
    this.target[record] = target;
    this.nextRecord[record] = this.firstRecord[owner]!;
    this.firstRecord[owner] = record;
    return true;
  }

  #growRecordSlots(): void {
    const slots = new Int32Array(2 * this.#recordSlots.length);
    const mask = slots.length - 1;
    for (let record = 0; record < this.recordCount; record++) {
      const { kind, value, target } = this;
      const hash = recordHash(this.#owner[record]!, kind[record]!, value[record]!, target[record]!);
      let slot = hash & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = record + 1;
    }
    this.#recordSlots = slots;
  }
}

function doubled(column: Int32Array): Int32Array {
  const larger = new Int32Array(2 * column.length);
  larger.set(column);
  return larger;
}

/** Mixes what makes a record the same as another. */
function recordHash(owner: number, kind: number, value: number, target: number): number {
  let hash = Math.imul(owner + 1, 0x9e3779b1) ^ Math.imul(target + 2, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15) ^ Math.imul(value * 4 + kind, 0xc2b2ae35), 0x27d4eb2f);
  return hash ^ (hash >>> 13);
}
