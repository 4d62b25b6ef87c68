import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MEMBERS_MAX, memberNodes, parseMasterInfo } from '../../../src/core/mesos/master-info.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));

/** As written by Mesos 1.12. */
const RECORDED =
  '{"address":{"hostname":"127.0.0.1","ip":"127.0.0.1","port":15050},"capabilities":[{"type":"AGENT_UPDATE"},{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],"hostname":"127.0.0.1","id":"66060fd8-59c0-4c7d-8ecb-b7324e79aad5","ip":16777343,"pid":"master@127.0.0.1:15050","port":15050,"version":"1.12.0"}';

describe('who leads', () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    [
      'the lowest number leads, and the log of the masters is none',
      ['json.info_0000000003', 'log_replicas', 'json.info_0000000001', 'json.info_0000000002'],
      ['json.info_0000000001', 'json.info_0000000002', 'json.info_0000000003'],
    ],
    [
      'numbers are numbers, also when they have grown longer',
      ['json.info_10000000000', 'json.info_9999999999'],
      ['json.info_9999999999', 'json.info_10000000000'],
    ],
    [
      'the older label counts only without the newer',
      ['info_0000000001', 'json.info_0000000002'],
      ['json.info_0000000002'],
    ],
    [
      'the older label',
      ['info_0000000007', '0000000001', 'info_0000000005'],
      ['info_0000000005', 'info_0000000007'],
    ],
    ['no label at all', ['0000000002', '0000000001'], ['0000000001', '0000000002']],
    ['nobody', ['log_replicas', 'json.info_', 'info_x', 'xjson.info_0000000001'], []],
  ];
  for (const [name, children, expected] of cases) {
    test(name, () => {
      const names = memberNodes(children).map((node) => node.name);
      assert.deepEqual(names, expected);
    });
  }

  test('of very many members only the first are looked at', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `json.info_${String(999 - i)}`);
    const nodes = memberNodes(many);
    assert.equal(nodes.length, MEMBERS_MAX);
    assert.equal(nodes[0]?.name, 'json.info_0');
  });
});

describe('where a master is, from JSON', () => {
  const cases: readonly (readonly [string, Uint8Array, unknown])[] = [
    ['as recorded', utf8(RECORDED), { host: '127.0.0.1', port: 15050 }],
    [
      'by the address before the number',
      json({ address: { ip: '10.0.0.1', port: 5051 }, ip: 16_777_343, port: 5050 }),
      { host: '10.0.0.1', port: 5051 },
    ],
    [
      'over IPv6',
      json({ address: { ip: '2001:DB8::1', port: 5050 }, ip: 0, port: 5050 }),
      { host: '2001:db8::1', port: 5050 },
    ],
    [
      'by name if the address has none',
      json({ address: { hostname: 'Master-1', port: 5050 }, ip: 16_777_343, port: 5050 }),
      { host: 'master-1', port: 5050 },
    ],
    [
      'by the number, in network order read by a little-endian machine',
      json({ ip: 0x0100000a, port: 5050 }),
      { host: '10.0.0.1', port: 5050 },
    ],
    [
      'by the number with its highest bit set',
      json({ ip: 0xfe01a8c0, port: 5050 }),
      { host: '192.168.1.254', port: 5050 },
    ],
    ['no number', json({ ip: 0, port: 5050 }), null],
    ['no port', json({ ip: 16_777_343 }), null],
    ['a port that is none', json({ ip: 16_777_343, port: 70_000 }), null],
    ['a fraction for a port', json({ ip: 16_777_343, port: 50.5 }), null],
    ['an address that is junk', json({ address: { ip: 'a b', port: 5050 } }), null],
    ['a list', json([]), null],
    ['no JSON', utf8('{'), null],
    ['nothing', new Uint8Array(), null],
    ['no UTF-8', Uint8Array.of(0xff), null],
  ];
  for (const [name, content, expected] of cases) {
    test(name, () => {
      const parsed = parseMasterInfo('json', content);
      assert.deepEqual(parsed.ok ? parsed.value : null, expected);
    });
  }
});

/** Fields of a protobuf message: numbers as varints, texts and messages by length. */
function protobuf(...fields: readonly (readonly [number, number | string | Uint8Array])[]): Buffer {
  const varint = (value: number): number[] =>
    value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(number * 8), ...varint(value)]);
      const octets = typeof value === 'string' ? utf8(value) : value;
      const head = [...varint(number * 8 + 2), ...varint(octets.length)];
      return Buffer.concat([Buffer.from(head), octets]);
    }),
  );
}

describe('where a master is, from protobuf', () => {
  const id = [1, '20150101-000000-16777343-5050-1'] as const;
  const cases: readonly (readonly [string, Uint8Array, unknown])[] = [
    [
      'with an address',
      protobuf(
        id,
        [2, 16_777_343],
        [3, 5050],
        [4, 'master@127.0.0.1:5050'],
        [5, 'localhost'],
        [7, protobuf([1, 'm1'], [2, '10.0.0.2'], [3, 5051])],
      ),
      { host: '10.0.0.2', port: 5051 },
    ],
    [
      'of an old master',
      protobuf(id, [2, 0xfe01a8c0], [3, 5051]),
      { host: '192.168.1.254', port: 5051 },
    ],
    ['with the port left out', protobuf(id, [2, 16_777_343]), { host: '127.0.0.1', port: 5050 }],
    ['without an address', protobuf(id, [3, 5050]), null],
    ['cut in a text', protobuf(id, [2, 16_777_343]).subarray(0, 9), null],
    ['cut in a number', Buffer.concat([protobuf(id), Buffer.from([0x10, 0xff])]), null],
    ['a length that is a lie', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), null],
    ['groups, which are none', Buffer.from([0x0b]), null],
    ['JSON', utf8(RECORDED), null],
  ];
  for (const [name, content, expected] of cases) {
    test(name, () => {
      const parsed = parseMasterInfo('protobuf', content);
      assert.deepEqual(parsed.ok ? parsed.value : null, expected);
    });
  }
});

test('a node without label holds the process id', () => {
  assert.deepEqual(parseMasterInfo('pid', utf8('master@10.0.0.1:5050')), {
    ok: true,
    value: { host: '10.0.0.1', port: 5050 },
  });
  assert.ok(!parseMasterInfo('pid', utf8('master')).ok);
});

test('no content makes the parser throw, and what it finds is an address', () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.json().map(utf8),
    fc
      .record(
        {
          ip: fc.oneof(fc.integer(), fc.jsonValue()),
          port: fc.oneof(fc.integer(), fc.jsonValue()),
          address: fc.oneof(
            fc.record({ ip: fc.oneof(fc.ipV4(), fc.string()), port: fc.integer() }),
            fc.jsonValue(),
          ),
        },
        { requiredKeys: [] },
      )
      .map(json),
  );
  fc.assert(
    fc.property(
      content,
      fc.constantFrom('json' as const, 'protobuf' as const, 'pid' as const),
      (octets, encoding) => {
        const parsed = parseMasterInfo(encoding, octets);
        if (!parsed.ok) return;
        const { host, port } = parsed.value;
        assert.ok(host !== '' && Number.isInteger(port) && port > 0 && port <= 65_535);
      },
    ),
    { numRuns: 2000 },
  );
});
