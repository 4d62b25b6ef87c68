import { NAME_BYTES_MAX } from '../dns/constants.ts';
import { lowerOctet } from '../dns/wire.ts';

/** A pointer has 14 bits (RFC 1035 §4.1.4); names further behind cannot be pointed at. */
const POINTER_MAX = 0x3fff;
const LABELS_MAX = NAME_BYTES_MAX >>> 1;
/** Labels that are remembered, in all names of a message; names beyond are written in full. */
const NODES_MAX = 2048;
const SLOTS = 2 * NODES_MAX;
/** Looks for one label: bounds what names can cost that were made to have equal hashes. */
const PROBES_MAX = 16;
/**
 * Octets of labels that are looked at for one message, some 3 ms: the largest of real ones need a
 * third of it. Names of a hundred labels each need twenty times that, and are written in full then.
 */
const WORK_MAX = 1_000_000;
/** What a label costs besides its octets, in octets. */
const LABEL_WORK = 8;
const FNV_PRIME = 0x01000193;
const PARENT_FACTOR = 0x9e3779b1;
/** The root label: no pointer leads there, its octet is shorter. */
const ROOT = 0;

/**
 * Where in a message names stand, label by label from the root on, so that looking one up costs no
 * more than its octets. Names keep their case: only those in the question are found in any, since
 * the client sees its own letters there.
 */
export class NameTree {
  /** Octets at the end of the name, root label included, that the last `find` found. */
  foundBytes = 0;
  readonly #bytes: Uint8Array;
  /** Node by hash of parent and label, 0 for none. */
  readonly #slots = new Uint16Array(SLOTS);
  readonly #parents = new Uint16Array(NODES_MAX);
  /** Where the label of each node stands. */
  readonly #offsets = new Uint16Array(NODES_MAX);
  readonly #labels = new Uint8Array(LABELS_MAX);
  #nodes = 1;
  #work = 0;
  /** The question ends here. */
  #questionEnd = 0;
  /** Slot that the last failed `#child` ended at, or -1. */
  #freeSlot = -1;

  /** `bytes` is the message that names are written to. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Forgets all names, for a message whose question ends at an offset. */
  begin(questionEnd: number): void {
    this.#slots.fill(0);
    this.#nodes = 1;
    this.#work = 0;
    this.#questionEnd = questionEnd;
  }

  /** Offset of the longest known end of a wire name, 0 if no label of it is known. */
  find(name: Uint8Array): number {
    this.foundBytes = 0;
    if (this.#work > WORK_MAX) return 0;
    let label = this.#split(name);
    let node = ROOT;
    while (label > 0) {
      const at = this.#labels[--label]!;
      const child = this.#child(node, name, at);
      if (child === ROOT) break;
      node = child;
      this.foundBytes = name.length - at;
    }
    return node === ROOT ? 0 : this.#offsets[node]!;
  }

  /**
   * Remembers a name that was written at `offset`; an end of it that is known may be a pointer
   * there.
   */
  learn(name: Uint8Array, offset: number): void {
    if (this.#work > WORK_MAX) return;
    let label = this.#split(name);
    let node = ROOT;
    while (label > 0) {
      const at = this.#labels[--label]!;
      let child = this.#child(node, name, at);
      if (child === ROOT) {
        if (this.#freeSlot < 0 || this.#nodes === NODES_MAX || offset + at > POINTER_MAX) return;
        child = this.#nodes++;
        this.#slots[this.#freeSlot] = child;
        this.#parents[child] = node;
        this.#offsets[child] = offset + at;
      }
      node = child;
    }
  }

  /** Notes where the labels of a name start; returns how many there are, without the root. */
  #split(name: Uint8Array): number {
    let count = 0;
    for (let at = 0; name[at] !== 0; at += 1 + name[at]!) this.#labels[count++] = at;
    return count;
  }

  /** The node below `parent` for the label at `name[at]`, ROOT for none. */
  #child(parent: number, name: Uint8Array, at: number): number {
    const end = at + name[at]!;
    this.#work += LABEL_WORK + end - at;
    let hash = Math.imul(parent + 1, PARENT_FACTOR);
    for (let i = at; i <= end; i++) hash = Math.imul(hash ^ lowerOctet(name[i]!), FNV_PRIME);
    hash ^= hash >>> 15;
    for (let i = 0; i < PROBES_MAX; i++) {
      const slot = (hash + i) & (SLOTS - 1);
      const node = this.#slots[slot]!;
      if (node === ROOT) {
        this.#freeSlot = slot;
        return ROOT;
      }
      if (this.#parents[node] === parent && this.#isLabel(node, name, at, end)) return node;
    }
    this.#freeSlot = -1;
    return ROOT;
  }

  #isLabel(node: number, name: Uint8Array, at: number, end: number): boolean {
    const offset = this.#offsets[node]!;
    const inQuestion = offset < this.#questionEnd;
    this.#work += end - at;
    for (let i = at; i <= end; i++) {
      const ours = this.#bytes[offset + i - at]!;
      const theirs = name[i]!;
      if (ours !== theirs && (!inQuestion || lowerOctet(theirs) !== ours)) return false;
    }
    return true;
  }
}
