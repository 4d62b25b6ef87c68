import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ParsedPorts,
  parsePorts,
  PORTS_PER_TASK_MAX,
} from '../../../src/core/mesos/parse-ports.ts';

const malformed = (value: string): ParsedPorts['rejected'] => [{ code: 'ports-malformed', value }];
const outOfRange = (value: string): ParsedPorts['rejected'] => [
  { code: 'port-out-of-range', value },
];

const CASES: readonly (readonly [string, readonly number[], ParsedPorts['rejected']])[] = [
  ['', [], []],
  ['[]', [], []],
  ['[31000-31000]', [31_000], []],
  ['[31000-31002]', [31_000, 31_001, 31_002], []],
  ['[31000-31001, 31005-31005]', [31_000, 31_001, 31_005], []],
  ['[31000-31000,31002-31002]', [31_000, 31_002], []],
  ['[ 31000-31000 ]', [31_000], []],
  ['[0-0, 65535-65535]', [0, 65_535], []],
  ['[31002-31000]', [], []],
  ['[31000-31000, x-y, 31001-31001]', [31_000, 31_001], malformed('x-y')],
  ['[31000-31000, ]', [31_000], malformed('')],
  ['[1-2-3]', [], malformed('1-2-3')],
  ['[-1-5]', [], malformed('-1-5')],
  ['[1.5-2]', [], malformed('1.5-2')],
  ['[65535-65536]', [], outOfRange('65535-65536')],
  ['[9999999999-1]', [], outOfRange('9999999999-1')],
];

for (const [text, ports, rejected] of CASES) {
  test(`the ports ${text === '' ? '(empty)' : text} are ${ports.join(', ') || 'none'}`, () => {
    assert.deepEqual(parsePorts(text), { ports, rejected });
  });
}

for (const text of ['31000-31000', '[31000-31000', '31000-31000]', '31000', 'x']) {
  test(`S01: ports without brackets are left out: ${text}`, () => {
    assert.deepEqual(parsePorts(text), { ports: [], rejected: malformed(text) });
  });
}

test('S01: a single port without a range is left out, the others stay', () => {
  assert.deepEqual(parsePorts('[31000, 31001-31001]'), {
    ports: [31_001],
    rejected: malformed('31000'),
  });
});

test('a task gets no more ports than the bound, whatever it claims', () => {
  const { ports, rejected } = parsePorts('[1-65535, 1-65535]');
  assert.equal(ports.length, PORTS_PER_TASK_MAX);
  assert.deepEqual(rejected, [{ code: 'too-many-ports', value: '1-65535' }]);
});

test('a task with exactly as many ports as the bound loses none', () => {
  const { ports, rejected } = parsePorts(`[1-${PORTS_PER_TASK_MAX}]`);
  assert.equal(ports.length, PORTS_PER_TASK_MAX);
  assert.deepEqual(rejected, []);
});

test('any ports are read back from the text that Mesos prints of them', () => {
  const range = fc.tuple(fc.nat(65_535), fc.nat(20)).map(([from, more]) => ({
    from,
    to: Math.min(65_535, from + more),
  }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 50 }), (ranges) => {
      const text = `[${ranges.map(({ from, to }) => `${from}-${to}`).join(', ')}]`;
      const ports = ranges.flatMap(({ from, to }) =>
        Array.from({ length: to - from + 1 }, (_, i) => from + i),
      );
      assert.deepEqual(parsePorts(text), { ports, rejected: [] });
    }),
  );
});

test('any text gives ports in range and an account of the rest', () => {
  const text = fc.string({
    unit: fc.constantFrom(...Array.from('[]-, 0123456789x')),
    maxLength: 40,
  });
  fc.assert(
    fc.property(text, (value) => {
      const { ports, rejected } = parsePorts(value);
      assert.ok(ports.length <= PORTS_PER_TASK_MAX);
      assert.ok(ports.every((number) => number >= 0 && number <= 65_535));
      const isWhole = /^$|^\[\s*(\d+-\d+\s*(,\s*\d+-\d+\s*)*)?\]$/.test(value);
      if (!isWhole) assert.notDeepEqual(rejected, []);
    }),
    { numRuns: 1000 },
  );
});
