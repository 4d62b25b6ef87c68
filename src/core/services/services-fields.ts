import type { JsonNode } from '../config/json-text.ts';
import { nearestKey } from '../config/nearest-key.ts';
import { describeFound, describeKind, memberPath, ProblemList } from '../config/problem-list.ts';
import type { ValueType } from '../config/value-type.ts';

/** A file of nothing but mistakes has more than memory should hold; nobody counts beyond this. */
const PROBLEMS_COUNTED_MAX = 10_000;

/** Problems of a services file, of which only so many are kept. */
export class ServicesProblems extends ProblemList {
  #count = 0;

  override error(path: string, message: string): void {
    if (this.#count++ < PROBLEMS_COUNTED_MAX) super.error(path, message);
  }

  override warning(path: string, message: string): void {
    if (this.#count++ < PROBLEMS_COUNTED_MAX) super.warning(path, message);
  }
}

/** Reads the members of one object of the file; whatever is wrong with any is reported at once. */
export class ServicesFields {
  readonly path: string;
  readonly #members = new Map<string, JsonNode>();
  readonly #problems: ProblemList;
  #isGood = true;

  /** `keys` are all that the object may have. */
  constructor(node: JsonNode, path: string, keys: readonly string[], problems: ProblemList) {
    this.path = path;
    this.#problems = problems;
    if (node.kind !== 'object') {
      this.#error(path, `expected an object${describeFound(node)}`);
      return;
    }
    for (const { key, value } of node.members) {
      if (!keys.includes(key)) this.#unknown(key, keys);
      else if (this.#members.has(key)) this.fail(key, 'is given twice; remove one of them');
      else this.#members.set(key, value);
    }
  }

  /** Nothing was wrong so far. */
  get isGood(): boolean {
    return this.#isGood;
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }

  /** The value; undefined, and with it a problem unless it may be left out, if there is no good one. */
  read<T>(key: string, type: Pick<ValueType<T>, 'read'>, need: 'required' | null): T | undefined {
    const node = this.#members.get(key);
    if (node === undefined) {
      // Members of what is no object are not missed one by one.
      if (need !== null && this.#isGood) this.fail(key, 'is missing');
      return undefined;
    }
    const value = type.read(node, memberPath(this.path, key), this.#problems);
    if (value === undefined) this.#isGood = false;
    return value;
  }

  /** Elements of a list with their paths; empty if there is none, or something else. */
  elements(
    key: string,
    lengthMax: number,
    need: 'required' | null,
  ): readonly { readonly node: JsonNode; readonly path: string }[] {
    const node = this.read(key, { read: (found) => found }, need);
    if (node === undefined) return [];
    const path = memberPath(this.path, key);
    if (node.kind !== 'array') {
      this.#error(path, `expected a list, found ${describeKind(node)}`);
      return [];
    }
    if (node.items.length > lengthMax) {
      this.#problems.error(
        path,
        `has ${node.items.length} entries; those after the first ${lengthMax} are left out`,
      );
    }
    return node.items.slice(0, lengthMax).map((item, i) => ({ node: item, path: `${path}[${i}]` }));
  }

  /** Something is wrong with a member. */
  fail(key: string, message: string): void {
    this.#error(memberPath(this.path, key), message);
  }

  #error(path: string, message: string): void {
    this.#isGood = false;
    this.#problems.error(path, message);
  }

  #unknown(key: string, keys: readonly string[]): void {
    const near = this.#problems.isFull ? undefined : nearestKey(key, keys);
    const advice =
      near === undefined ? `; there are ${keys.join(', ')}` : `; did you mean "${near}"?`;
    this.fail(key, `is not a key here${advice}`);
  }
}
