import type { IpAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { NAME_BYTES_MAX } from './constants.ts';
import { hashWireName, type OwnerName, readOwnerName } from './name.ts';
import { type DefectListener, doubled, NameStore } from './name-store.ts';
import type { RecordSink } from './zone.ts';

/**
 * Most records of one generation: 40 times what 10,000 ordinary tasks make. Beyond it a hostile
 * state (huge port ranges on many tasks) would take the node's memory.
 */
export const RECORDS_MAX = 4_000_000;

export const RECORD_KIND = { A: 0, AAAA: 1, SRV: 2, PTR: 3 } as const;

/** Room that a store starts with; it doubles as needed. */
const RECORDS_FIRST = 1 << 11;

/** End of a list of records. */
export const NO_RECORD = -1;

/** What a slot holds instead of a record that is gone: those behind it are still looked for. */
const GONE = -1;

/** Names below node `to` are those below node `from` over again. */
interface AliasNodes {
  readonly from: number;
  readonly to: number;
}

/**
 * All records of a generation: names and records in columns of numbers rather than objects, since a
 * cluster of 10,000 tasks makes 160,000 of them. Records of an owner are a set without order, as
 * RFC 2181 §5 has RRsets. Who made a record may take it back: it is there until all have.
 */
export class RecordStore extends NameStore implements RecordSink {
  /** Per node: its newest record. */
  firstRecord: Int32Array = new Int32Array(this.nameAt.length).fill(NO_RECORD);
  /** Per record: kind, address index or port or 0, target node or -1, next of the owner. */
  kind: Int32Array = new Int32Array(RECORDS_FIRST);
  value: Int32Array = new Int32Array(RECORDS_FIRST);
  target: Int32Array = new Int32Array(RECORDS_FIRST);
  nextRecord: Int32Array = new Int32Array(RECORDS_FIRST);
  readonly addresses: IpAddress[] = [];
  /** Records that are there. */
  recordCount = 0;

  /** Nodes whose records a revision changed, until this is cleared. */
  readonly touched: Set<number> = new Set<number>();

  #owner: Int32Array = new Int32Array(RECORDS_FIRST);
  #previous: Int32Array = new Int32Array(RECORDS_FIRST);
  /** How many times the record was made, less how many times it was taken back. */
  #makers: Int32Array = new Int32Array(RECORDS_FIRST);
  /** Rows of the columns in use, those on the list of free ones included. */
  #rows = 0;
  /** First row of a record that is gone; the others follow in `nextRecord`. */
  #free = NO_RECORD;
  readonly #addressIndex = new Map<string, number>();
  /** The address named last and its index: names of one task share it. */
  #lastAddress: IpAddress | null = null;
  #lastAddressIndex = -1;
  readonly #movedName = new Uint8Array(NAME_BYTES_MAX);
  /** The target named last and its node: ports of one task share it. */
  #lastTarget: OwnerName | null = null;
  #lastTargetNode = -1;
  /** Open addressing: record + 1 by hash of what it says, or GONE. */
  #slots = new Int32Array(1 << 10);
  #slotsUsed = 0;
  readonly #aliases: AliasNodes[] = [];
  #takesBack = false;
  #isRevised = false;

  /** Forgets everything but keeps the memory, for the next generation. */
  override reset(onDefect: DefectListener): void {
    super.reset(onDefect);
    this.firstRecord.fill(NO_RECORD);
    this.recordCount = 0;
    this.addresses.length = 0;
    this.touched.clear();
    this.#rows = 0;
    this.#free = NO_RECORD;
    this.#addressIndex.clear();
    this.#lastAddress = null;
    this.#lastTarget = null;
    this.#slots.fill(0);
    this.#slotsUsed = 0;
    this.#aliases.length = 0;
    this.#takesBack = false;
    this.#isRevised = false;
  }

  /**
   * From now on records are changed one by one: added, or with `takesBack` taken back as they were
   * added. Aliases follow. Not for a store that is full: some records were never added.
   */
  revise(onDefect: DefectListener, takesBack: boolean): void {
    this.onDefect = onDefect;
    this.#takesBack = takesBack;
    this.#isRevised = true;
  }

  /** An A or AAAA record; false if it was there already or cannot be published. */
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
    return this.#put(node, kind, this.#lastAddressIndex, -1);
  }

  /** An SRV record; false if it was there already or cannot be published. */
  service(owner: OwnerName, target: OwnerName, port: number): boolean {
    assert(port >= 0 && port <= 65_535, 'ports are checked when the state is read');
    const node = this.#ownerNode(owner);
    if (node < 0) return false;
    if (target !== this.#lastTarget) {
      this.#lastTargetNode = this.node(target);
      this.#lastTarget = target;
    }
    const targetNode = this.#lastTargetNode;
    return targetNode >= 0 && this.#put(node, RECORD_KIND.SRV, port, targetNode);
  }

  /** A PTR record; false if it was there already or cannot be published. */
  pointer(owner: OwnerName, target: OwnerName): boolean {
    const node = this.#ownerNode(owner);
    if (node < 0) return false;
    const targetNode = this.node(target);
    return targetNode >= 0 && this.#put(node, RECORD_KIND.PTR, 0, targetNode);
  }

  /**
   * Gives every name below `from` its records below `to` too, with targets below `from` moved
   * along, now and in every later revision. Cheaper than adding them again: most of a name is
   * copied, and nothing becomes text.
   */
  copyBelow(from: OwnerName, to: OwnerName): void {
    const [source, destination] = [this.node(from), this.node(to)];
    if (source < 0 || destination < 0 || source === destination) return;
    const alias = { from: source, to: destination };
    const end = this.nodeCount;
    for (let node = 0; node < end; node++) {
      if (this.firstRecord[node] === NO_RECORD || !this.isBelow(node, source)) continue;
      const copy = this.#moved(node, alias);
      let record = copy < 0 ? NO_RECORD : this.firstRecord[node]!;
      for (; record !== NO_RECORD; record = this.nextRecord[record]!) {
        if (this.recordCount >= RECORDS_MAX) {
          this.onDefect(readOwnerName(this.names, this.nameAt[copy]!), 'record-limit');
          return;
        }
        const target = this.#movedTarget(this.target[record]!, alias);
        if (target === NO_TARGET) continue;
        this.#add(copy, this.kind[record]!, this.value[record]!, target, this.#makers[record]!);
      }
    }
    this.#aliases.push(alias);
  }

  protected override growNodes(): void {
    super.growNodes();
    this.firstRecord = doubled(this.firstRecord, NO_RECORD);
  }

  /** Adds or takes back a record and what aliases make of it. */
  #put(owner: number, kind: number, value: number, target: number): boolean {
    const isNew = this.#change(owner, kind, value, target);
    if (this.#aliases.length > 0) this.#putAliases(owner, kind, value, target, 0);
    return isNew;
  }

  /** An alias that comes later may be one of names that one before has made. */
  #putAliases(owner: number, kind: number, value: number, target: number, first: number): void {
    for (let i = first; i < this.#aliases.length; i++) {
      const alias = this.#aliases[i]!;
      if (!this.isBelow(owner, alias.from)) continue;
      const copy = this.#moved(owner, alias);
      const moved = this.#movedTarget(target, alias);
      if (copy < 0 || moved === NO_TARGET) continue;
      this.#change(copy, kind, value, moved);
      this.#putAliases(copy, kind, value, moved, i + 1);
    }
  }

  #change(owner: number, kind: number, value: number, target: number): boolean {
    if (!this.#takesBack) return this.#add(owner, kind, value, target, 1);
    this.#takeBack(owner, kind, value, target);
    return false;
  }

  /** A target as it is below an alias; NO_TARGET if it would be too long. */
  #movedTarget(target: number, alias: AliasNodes): number {
    if (target < 0 || !this.isBelow(target, alias.from)) return target;
    const moved = this.#moved(target, alias);
    return moved < 0 ? NO_TARGET : moved;
  }

  /** Node of the name that a node below `from` has below `to`; -1 if it would be too long. */
  #moved(node: number, { from, to }: AliasNodes): number {
    const head = this.nameLength[node]! - this.nameLength[from]!;
    const size = this.nameLength[to]!;
    const { names } = this;
    const bytes = this.#movedName;
    if (head + size > NAME_BYTES_MAX) {
      this.onDefect(readOwnerName(this.names, this.nameAt[node]!), 'too-long');
      return -1;
    }
    for (let i = 0, at = this.nameAt[node]!; i < head; i++) bytes[i] = names[at + i]!;
    for (let i = 0, at = this.nameAt[to]!; i < size; i++) bytes[head + i] = names[at + i]!;
    return this.intern(bytes, 0, head + size, hashWireName(bytes, 0, head + size) | 0);
  }

  /** Node of a record's owner, -1 if there may be no more records or the name is defective. */
  #ownerNode(owner: OwnerName): number {
    if (this.recordCount < RECORDS_MAX) return this.node(owner);
    this.onDefect(owner, 'record-limit');
    return -1;
  }

  #add(owner: number, kind: number, value: number, target: number, makers: number): boolean {
    if (2 * (this.#slotsUsed + 1) > this.#slots.length) this.#rehash();
    const slot = this.#slotOf(owner, kind, value, target);
    const known = this.#slots[slot]! - 1;
    if (known >= 0) {
      this.#makers[known] = this.#makers[known]! + makers;
      return false;
    }
    const record = this.#takeRow();
    this.recordCount++;
    this.#slotsUsed++;
    this.#slots[slot] = record + 1;
    this.#owner[record] = owner;
    this.kind[record] = kind;
    this.value[record] = value;
    this.target[record] = target;
    this.#makers[record] = makers;
    const next = this.firstRecord[owner]!;
    this.nextRecord[record] = next;
    this.#previous[record] = NO_RECORD;
    if (next !== NO_RECORD) this.#previous[next] = record;
    this.firstRecord[owner] = record;
    if (this.#isRevised) this.touched.add(owner);
    return true;
  }

  #takeBack(owner: number, kind: number, value: number, target: number): void {
    const slot = this.#slotOf(owner, kind, value, target);
    const record = this.#slots[slot]! - 1;
    // At the limit of records some were never added.
    if (record < 0) return;
    const makers = this.#makers[record]! - 1;
    this.#makers[record] = makers;
    if (makers > 0) return;
    this.#slots[slot] = GONE;
    const [previous, next] = [this.#previous[record]!, this.nextRecord[record]!];
    if (previous === NO_RECORD) this.firstRecord[owner] = next;
    else this.nextRecord[previous] = next;
    if (next !== NO_RECORD) this.#previous[next] = previous;
    this.recordCount--;
    this.nextRecord[record] = this.#free;
    this.#makers[record] = 0;
    this.#free = record;
    this.touched.add(owner);
  }

  #takeRow(): number {
    const record = this.#free;
    if (record !== NO_RECORD) {
      this.#free = this.nextRecord[record]!;
      return record;
    }
    if (this.#rows === this.kind.length) this.#growRecords();
    return this.#rows++;
  }

  /** Slot of a record that is there, else the one behind those it could be in. */
  #slotOf(owner: number, kind: number, value: number, target: number): number {
    const mask = this.#slots.length - 1;
    let slot = recordHash(owner, kind, value, target) & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const record = this.#slots[slot]! - 1;
      if (
        record >= 0 &&
        this.#owner[record] === owner &&
        this.kind[record] === kind &&
        this.value[record] === value &&
        this.target[record] === target
      ) {
        return slot;
      }
    }
    return slot;
  }

  #growRecords(): void {
    this.#owner = doubled(this.#owner);
    this.#previous = doubled(this.#previous);
    this.#makers = doubled(this.#makers);
    this.kind = doubled(this.kind);
    this.value = doubled(this.value);
    this.target = doubled(this.target);
    this.nextRecord = doubled(this.nextRecord);
  }

  /** More slots if records need them, and none for those that are gone. */
  #rehash(): void {
    const isFull = 4 * (this.recordCount + 1) > this.#slots.length;
    const slots = new Int32Array(isFull ? 2 * this.#slots.length : this.#slots.length);
    const mask = slots.length - 1;
    for (let record = 0; record < this.#rows; record++) {
      if (this.#makers[record] === 0) continue;
      const { kind, value, target } = this;
      const hash = recordHash(this.#owner[record]!, kind[record]!, value[record]!, target[record]!);
      let slot = hash & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = record + 1;
    }
    this.#slots = slots;
    this.#slotsUsed = this.recordCount;
  }
}

/** A target that no alias can have: its name would be too long. */
const NO_TARGET = -2;

/** Mixes what makes a record the same as another. */
function recordHash(owner: number, kind: number, value: number, target: number): number {
  let hash = Math.imul(owner + 1, 0x9e3779b1) ^ Math.imul(target + 2, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15) ^ Math.imul(value * 4 + kind, 0xc2b2ae35), 0x27d4eb2f);
  return hash ^ (hash >>> 13);
}
