import type { JsonNode } from './json-text.ts';
import { describeKind, describeNode, memberPath } from './problem-list.ts';
import type { ProblemList } from './problem-list.ts';
import { TEXT_LENGTH_MAX } from './value-type.ts';

const STRING = `a string of at most ${TEXT_LENGTH_MAX} characters`;

/**
 * How Go's encoding/json puts a JSON value into a field that holds `before`: the default, or what
 * an earlier duplicate of the key left there. A value of the wrong type is reported and changes
 * nothing.
 */
export interface GoType<T> {
  read(node: JsonNode, before: T, path: string, problems: ProblemList): T;
}

/** `bool` */
export const goBool: GoType<boolean> = {
  read(node, before, path, problems) {
    if (node.kind === 'boolean') return node.value;
    return keep(node, before, path, problems, 'true or false');
  },
};

/** `string` */
export const goString: GoType<string> = {
  read(node, before, path, problems) {
    if (node.kind === 'string' && node.value.length <= TEXT_LENGTH_MAX) return node.value;
    return keep(node, before, path, problems, STRING);
  },
};

/** Integer types by their bounds: no fraction or exponent, as Go has it; `int` has 64 bits. */
export function goInteger(minimum: bigint, maximum: bigint): GoType<number> {
  return {
    read(node, before, path, problems) {
      if (node.kind === 'number' && /^-?\d{1,20}$/.test(node.text)) {
        const value = BigInt(node.text);
        // Beyond 2^53 the number is only near, and far out of every bound that follows.
        if (value >= minimum && value <= maximum) return Number(value);
      }
      const expected = `a whole number from ${String(minimum)} to ${String(maximum)}`;
      return keep(node, before, path, problems, expected);
    },
  };
}

export const goInt: GoType<number> = goInteger(-(2n ** 63n), 2n ** 63n - 1n);
export const goInt32: GoType<number> = goInteger(-(2n ** 31n), 2n ** 31n - 1n);
export const goUint16: GoType<number> = goInteger(0n, 2n ** 16n - 1n);
export const goUint32: GoType<number> = goInteger(0n, 2n ** 32n - 1n);

/** `[]string`: null empties a list (only scalars keep their value), and is "" as an entry. */
export const goStrings: GoType<readonly string[]> = {
  read(node, before, path, problems) {
    if (node.kind === 'null') return [];
    if (node.kind !== 'array') return keep(node, before, path, problems, 'a list of strings');
    return node.items.map((item, i) => goString.read(item, '', `${path}[${i}]`, problems));
  },
};

/** `map[string][]string`: a second object adds to the first, null empties the map. */
export const goStringsByName: GoType<ReadonlyMap<string, readonly string[]>> = {
  read(node, before, path, problems) {
    if (node.kind === 'null') return new Map();
    if (node.kind !== 'object') return keep(node, before, path, problems, 'an object of lists');
    const map = new Map(before);
    for (const { key, value } of node.members) {
      map.set(key, goStrings.read(value, [], memberPath(path, key), problems));
    }
    return map;
  },
};

export interface GoCredentials {
  readonly principal: string;
  readonly secret: string;
}

/** The struct of `mesosCredentials`. No value is ever quoted: it may be the secret. */
export const goCredentials: GoType<GoCredentials> = {
  read(node, before, path, problems) {
    if (node.kind === 'null') return before;
    if (node.kind !== 'object') {
      problems.error(path, `expected {"principal", "secret"}, found ${describeKind(node)}`);
      return before;
    }
    let credentials = before;
    for (const { key, value } of node.members) {
      const name = foldKey(key);
      if (name !== 'principal' && name !== 'secret') {
        problems.warning(path, 'has a key besides principal and secret; it has no effect');
      } else if (value.kind === 'string' && value.value.length <= TEXT_LENGTH_MAX) {
        credentials = { ...credentials, [name]: value.value };
      } else if (value.kind !== 'null') {
        problems.error(`${path}.${name}`, `expected ${STRING}, found ${describeKind(value)}`);
      }
    }
    return credentials;
  },
};

/** Go matches keys without regard to case. */
export function foldKey(key: string): string {
  return key.toLowerCase();
}

function keep<T>(
  node: JsonNode,
  before: T,
  path: string,
  problems: ProblemList,
  expected: string,
): T {
  if (node.kind !== 'null') {
    problems.error(path, `expected ${expected}, found ${describeNode(node)}`);
  }
  return before;
}
