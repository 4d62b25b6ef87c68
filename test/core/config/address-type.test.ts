import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { coveringPrefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import {
  interfaceNameType,
  knownPrefix,
  nodeAddressType,
  prefixType,
} from '../../../src/core/config/address-type.ts';
import { ProblemList } from '../../../src/core/config/problem-list.ts';
import type { ValueType } from '../../../src/core/config/value-type.ts';

/** What the parser makes of a text; undefined if it is refused. */
function read<T>(type: ValueType<T>, text: string): T | undefined {
  const problems = new ProblemList();
  const value = type.read({ kind: 'string', value: text }, 'key', problems);
  assert.equal(value === undefined, problems.hasErrors);
  return value;
}

function schemaTakes(type: ValueType<unknown>, text: string): boolean {
  const { pattern, maxLength } = type.schema;
  assert.ok(typeof pattern === 'string');
  const isShort = typeof maxLength !== 'number' || text.length <= maxLength;
  return isShort && new RegExp(pattern, 'u').test(text);
}

const anyLength = { lengthMin: 0, lengthMax: 128 };
const anyPrefix = prefixType({ ipv4: anyLength, ipv6: anyLength });
const addressText = fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6());
const prefixText = fc.oneof(
  addressText,
  fc.tuple(addressText, fc.nat(140)).map((parts) => parts.join('/')),
  // Without bits beyond the length.
  fc.tuple(addressText, fc.nat(128)).map(([text, length]) => {
    return coveringPrefix(`${text}/${length}`)?.text ?? text;
  }),
  fc.string(),
);

describe('editors that know the schema and the parser agree', () => {
  test('about prefixes: what the parser takes, the schema takes', () => {
    fc.assert(
      fc.property(prefixText, (text) => {
        if (read(anyPrefix, text) !== undefined) assert.ok(schemaTakes(anyPrefix, text), text);
      }),
    );
    for (const text of ['10.0.0.0/8', '::ffff:10.0.0.0/104', 'fd00::/48', '10.0.0.1', '::']) {
      assert.ok(read(anyPrefix, text) !== undefined && schemaTakes(anyPrefix, text), text);
    }
  });

  test('about prefixes: a family that is refused is refused by both', () => {
    const ipv4 = prefixType({ ipv4: anyLength });
    assert.ok(read(ipv4, 'fd00::/48') === undefined && !schemaTakes(ipv4, 'fd00::/48'));
    const ipv6 = prefixType({ ipv6: anyLength });
    assert.ok(read(ipv6, '10.0.0.0/8') === undefined && !schemaTakes(ipv6, '10.0.0.0/8'));
    for (const text of ['', '10.0.0.0/', 'ten/8', '10.0.0.0/8 ', `::/${'1'.repeat(60)}`]) {
      assert.ok(read(anyPrefix, text) === undefined && !schemaTakes(anyPrefix, text), text);
    }
  });

  test('about addresses of the node', () => {
    for (const [type, good, bad] of [
      [nodeAddressType(4), '192.0.2.7', '2001:db8::7'],
      [nodeAddressType(6), '2001:db8::7', '192.0.2.7'],
    ] as const) {
      assert.ok(read(type, good) === good && schemaTakes(type, good), good);
      assert.ok(read(type, bad) === undefined && !schemaTakes(type, bad), bad);
    }
  });

  test('about names of interfaces, in every case', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.constantFrom('lo', 'lo0', 'all', 'allx', 'default', '.', '..', '...', 'a:b', 'a\n'),
    );
    fc.assert(
      fc.property(text, (name) => {
        assert.equal(
          read(interfaceNameType, name) !== undefined,
          schemaTakes(interfaceNameType, name),
        );
      }),
    );
    assert.equal(read(interfaceNameType, '...'), '...');
    assert.equal(read(interfaceNameType, 'a\n'), undefined);
  });
});

test('what is written is what was meant', () => {
  fc.assert(
    fc.property(prefixText, (text) => {
      const value = read(anyPrefix, text);
      if (value === undefined) return;
      const written = anyPrefix.write(value);
      assert.equal(written, value.text);
      assert.deepEqual(read(anyPrefix, value.text), value);
    }),
  );
});

test('a prefix of our own that is none is a defect', () => {
  assert.deepEqual(knownPrefix('10.0.0.0/8'), parsePrefix('10.0.0.0/8'));
  assert.throws(() => knownPrefix('10.0.0.1/8'));
});
