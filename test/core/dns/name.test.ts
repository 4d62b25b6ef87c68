import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  formatOwnerName,
  formatWireName,
  hashWireName,
  nameDefect,
  NameEncoder,
  parseWireName,
} from '../../../src/core/dns/name.ts';
import { nearlyNames, ownerNames, wireNames } from '../../support/arbitraries.ts';
import { wireName } from '../../support/dns-message.ts';

const LONGEST = `${`${'a'.repeat(63)}.`.repeat(3)}${'a'.repeat(61)}.`;

/** Bytes of a name with its labels, of any octets, as latin1 text. */
const wire = (...labels: readonly string[]): Uint8Array =>
  new Uint8Array(
    Buffer.concat([
      ...labels.map((label) => Buffer.from(String.fromCharCode(label.length) + label, 'latin1')),
      Buffer.from([0]),
    ]),
  );

const hex = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('hex');

const lower = (bytes: Uint8Array): Uint8Array =>
  bytes.map((octet) => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet));

describe('names that are published', () => {
  const GOOD = [
    'mesos.',
    'web.marathon.mesos.',
    '_web._tcp.marathon.mesos.',
    '-iffe9-s0.mesos.',
    'sp ace.mesos.',
    'a:b.mesos.',
    `${'a'.repeat(63)}.mesos.`,
    LONGEST,
  ];

  for (const name of GOOD) {
    test(`${name} can be packed into a message`, () => {
      const encoder = new NameEncoder();
      assert.equal(nameDefect(name), null);
      const length = encoder.encode(name);
      assert.equal(hex(encoder.bytes.subarray(0, length)), hex(wireName(name)));
    });
  }

  test('the longest name has 255 octets', () => {
    assert.equal(new NameEncoder().encode(LONGEST), 255);
  });

  const BAD: readonly (readonly [name: string, defect: ReturnType<typeof nameDefect>])[] = [
    ['', 'empty-label'],
    ['.', 'empty-label'],
    ['.mesos.', 'empty-label'],
    ['a..mesos.', 'empty-label'],
    ['mesos', 'empty-label'],
    [`${'a'.repeat(64)}.mesos.`, 'label-too-long'],
    [`a${LONGEST}`, 'label-too-long'],
    [`a.${LONGEST}`, 'too-long'],
    [LONGEST.replace(/a\.$/, 'aa.'), 'too-long'],
    ['Web.mesos.', 'character'],
    ['ünï.mesos.', 'character'],
    ['日本.mesos.', 'character'],
    ['a\u0000b.mesos.', 'character'],
    ['a\u007f.mesos.', 'character'],
  ];

  for (const [name, defect] of BAD) {
    test(`D12: ${JSON.stringify(name)} is refused: ${String(defect)}`, () => {
      assert.equal(nameDefect(name), defect);
      assert.equal(new NameEncoder().encode(name), 0);
    });
  }

  test('a name has a defect exactly if it cannot be encoded', () => {
    const encoder = new NameEncoder();
    fc.assert(
      fc.property(fc.oneof(nearlyNames, ownerNames('mesos.')), (name) => {
        const length = encoder.encode(name);
        assert.equal(length === 0, nameDefect(name) !== null);
        if (length === 0) return;
        const bytes = encoder.bytes.subarray(0, length);
        assert.equal(hex(bytes), hex(wireName(name)));
        assert.equal(encoder.hash, hashWireName(bytes, 0, length));
      }),
      { numRuns: 2000 },
    );
  });

  test('the hash of a name does not depend on where it stands', () => {
    fc.assert(
      fc.property(wireNames, fc.nat(20), (name, offset) => {
        const moved = new Uint8Array(offset + name.length + 3).fill(0x61);
        moved.set(name, offset);
        const hash = hashWireName(moved, offset, name.length);
        assert.equal(hash, hashWireName(name, 0, name.length));
        assert.ok(Number.isInteger(hash) && hash >= 0 && hash <= 0xffff_ffff);
      }),
    );
  });

  test('names of a cluster rarely share a hash', () => {
    const encoder = new NameEncoder();
    const hashes = Array.from({ length: 5000 }, (_, i) => {
      encoder.encode(`web-${i}.marathon.mesos.`);
      return encoder.hash;
    });
    assert.ok(new Set(hashes).size >= 4998);
  });
});

describe('presentation form (RFC 1035 §5.1, RFC 4343 §2.1)', () => {
  const PAIRS: readonly (readonly [text: string, bytes: Uint8Array])[] = [
    ['.', wire()],
    ['web.mesos.', wire('web', 'mesos')],
    ['a\\.b.mesos.', wire('a.b', 'mesos')],
    ['a\\\\b.', wire('a\\b')],
    ['\\000\\032\\255.', wire('\u0000 \u00ff')],
    ['\\"\\;\\(\\)\\@\\$.', wire('";()@$')],
    ['_web._tcp.', wire('_web', '_tcp')],
  ];

  for (const [text, bytes] of PAIRS) {
    test(`${text} is written and read`, () => {
      assert.equal(formatWireName(bytes), text);
      assert.equal(hex(parseWireName(text)), hex(bytes));
    });
  }

  const READ: readonly (readonly [text: string, bytes: Uint8Array])[] = [
    ['web.mesos', wire('web', 'mesos')],
    ['WEB.Mesos.', wire('web', 'mesos')],
    ['\\065bc', wire('abc')],
    ['\\a', wire('a')],
    ['ü', wire('\u00c3\u00bc')],
    ['a b', wire('a b')],
    ['', wire()],
  ];

  for (const [text, bytes] of READ) {
    test(`${JSON.stringify(text)} is read leniently`, () => {
      assert.equal(hex(parseWireName(text)), hex(bytes));
    });
  }

  const NO_NAMES = [
    '..',
    '.a',
    'a..b',
    'a..',
    '\\256',
    '\\999',
    'a\\',
    'x'.repeat(64),
    `${'x'.repeat(63)}.`.repeat(4),
    `${LONGEST}b`,
  ];

  for (const text of NO_NAMES) {
    test(`${text.slice(0, 80)} is no name`, () => {
      assert.equal(parseWireName(text), null);
    });
  }

  test('a name in the middle of a message is written from its offset on', () => {
    const bytes = Buffer.concat([Buffer.from('xyz'), wire('web', 'mesos'), Buffer.from('rest')]);
    assert.equal(formatWireName(bytes, 3), 'web.mesos.');
  });

  test('any wire name that is written is read back in lower case', () => {
    fc.assert(
      fc.property(wireNames, (name) => {
        assert.equal(hex(parseWireName(formatWireName(name))), hex(lower(name)));
      }),
      { numRuns: 500 },
    );
  });

  test('any text is read as a good wire name or as none', () => {
    const text = fc.oneof(
      nearlyNames,
      fc.string({ unit: fc.constantFrom('a', '.', '\\', '0', '2', '5', 'B', 'é'), maxLength: 300 }),
    );
    fc.assert(
      fc.property(text, (value) => {
        const parsed = parseWireName(value);
        if (parsed === null) return;
        assert.ok(parsed.length <= 255);
        let at = 0;
        while (parsed[at] !== 0) {
          assert.ok(parsed[at]! <= 63);
          at += 1 + parsed[at]!;
        }
        assert.equal(at + 1, parsed.length);
        assert.equal(hex(parsed), hex(parseWireName(formatWireName(parsed))));
      }),
      { numRuns: 1000 },
    );
  });

  test('a published name is escaped as its wire form is', () => {
    const encoder = new NameEncoder();
    fc.assert(
      fc.property(fc.oneof(ownerNames('mesos.'), nearlyNames), (name) => {
        const length = encoder.encode(name);
        if (length === 0) return;
        assert.equal(formatOwnerName(name), formatWireName(encoder.bytes.slice(0, length)));
      }),
    );
  });
});
