import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonScanner, type WantedMembers } from '../../../src/core/base/json-scanner.ts';

function pick(text: string, wanted: WantedMembers): unknown {
  const scanner = new JsonScanner(Buffer.from(text));
  const picked = scanner.pick(wanted);
  scanner.end();
  return picked;
}

test('of an object the wanted members are read: whole, in part, or that they are there', () => {
  const text = '{"a": [1, {"x": 2}], "b": {"c": 3, "d": 4}, "e": {}, "f": 5, "g": "word"}';
  const wanted = { a: 'value', b: { d: 'value' }, e: 'presence', g: 'word', h: 'value' } as const;
  assert.deepEqual(pick(text, wanted), { a: [1, { x: 2 }], b: { d: 4 }, e: true, g: 'word' });
});

test('a member with a filter is read if its text passes', () => {
  const seen: string[] = [];
  const filter = (octets: Uint8Array, start: number, end: number): boolean => {
    seen.push(Buffer.from(octets.subarray(start, end)).toString());
    return seen.length % 2 === 1;
  };
  const text = '[{"a": [1, "]"]  ,"b":1}, {"a":"x"}, {"a": {"c":2} }]';
  const scanner = new JsonScanner(Buffer.from(text));
  const picked: unknown[] = [];
  scanner.array(() => picked.push(scanner.pick({ a: filter })));
  assert.deepEqual(seen, ['[1, "]"]', '"x"', '{"c":2}']);
  assert.deepEqual(picked, [{ a: [1, ']'] }, { a: undefined }, { a: { c: 2 } }]);
});

test('of a filtered member that comes twice the last counts', () => {
  const filter = (octets: Uint8Array, start: number): boolean => octets[start] === 0x31;
  assert.deepEqual(pick('{"a":1,"a":2}', { a: filter }), { a: undefined });
  assert.deepEqual(pick('{"a":2,"a":1}', { a: filter }), { a: 1 });
});

test('words are read like all other values', () => {
  const value = fc.oneof(
    fc.constantFrom('TASK_RUNNING', 'TASK_KILLING', '', 'a', 'é', '\u0000', '"', '\\'),
    fc.string({ unit: 'binary' }),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(fc.array(value), fc.nat(2), (values, indent) => {
      const text = JSON.stringify(
        values.map((state) => ({ state })),
        null,
        indent,
      );
      const scanner = new JsonScanner(Buffer.from(text));
      const picked: unknown[] = [];
      scanner.array(() => picked.push(scanner.pick({ state: 'word' })));
      assert.deepEqual(picked, JSON.parse(text));
    }),
  );
});
