import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { JSON_DEPTH_MAX, parseJson } from '../../../src/core/config/json-text.ts';
import type { JsonNode } from '../../../src/core/config/json-text.ts';

/** The value that `JSON.parse` makes of the same text. */
function plain(node: JsonNode): unknown {
  switch (node.kind) {
    case 'null':
      return null;
    case 'array':
      return node.items.map(plain);
    case 'object':
      return Object.fromEntries(node.members.map(({ key, value }) => [key, plain(value)]));
    default:
      return node.value;
  }
}

function parsedByPlatform(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

describe('parseJson', () => {
  test('keeps duplicate keys in order and the digits of numbers', () => {
    const parsed = parseJson('{"a": 1.0, "A": 2, "a": -0}');
    assert.ok(parsed.ok && parsed.value.kind === 'object');
    const members = parsed.value.members.map(({ key, value }) => [
      key,
      value.kind === 'number' ? value.text : null,
    ]);
    assert.deepEqual(members, [
      ['a', '1.0'],
      ['A', '2'],
      ['a', '-0'],
    ]);
  });

  const errors: readonly (readonly [string, number, number, RegExp])[] = [
    ['', 1, 1, /a value, but the file ends/],
    ['{', 1, 2, /a key in double quotes, but the file ends/],
    ['{"a": 1,}', 1, 9, /a key in double quotes, but there is "}" \(remove the comma before it\)/],
    ['[1, ]', 1, 5, /a value, but there is "]" \(remove the comma/],
    ['{"a": }', 1, 7, /a value, but there is "}"$/],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, /a comma or "}"/],
    ['{\n  // note\n}', 2, 3, /a key in double quotes \(JSON has no comments\)/],
    ['{"a": 1} x', 1, 10, /the end of the file/],
    ['{"a" 1}', 1, 6, /a colon/],
    ["{'a': 1}", 1, 2, /a key in double quotes/],
    ['{"a": "b\n"}', 1, 9, /the closing quote of the string, but the line ends/],
    ['{"a": "\\x"}', 1, 8, /an escape/],
    ['{"a": "\\u12g4"}', 1, 8, /an escape/],
    ['[01]', 1, 3, /a comma or "]"/],
    ['[+1]', 1, 2, /a value/],
    ['[NaN]', 1, 2, /a value/],
    ['\ufeff{}', 1, 1, /byte order mark/],
    ['\r\n\r\n[tru]', 3, 2, /a value/],
  ];
  for (const [text, line, column, message] of errors) {
    test(`${JSON.stringify(text)} stops being JSON at ${line}:${column}`, () => {
      const parsed = parseJson(text);
      assert.ok(!parsed.ok);
      assert.deepEqual([parsed.error.line, parsed.error.column], [line, column]);
      assert.match(parsed.error.message, message);
    });
  }

  test('refuses deep nesting instead of overflowing the stack', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    assert.ok(parseJson(nested(JSON_DEPTH_MAX)).ok);
    assert.ok(!parseJson(nested(JSON_DEPTH_MAX + 1)).ok);
    assert.ok(!parseJson('{"a":'.repeat(100_000)).ok);
  });

  test('reads every JSON value as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.integer({ min: 0, max: 3 }), (text, indent) => {
        const formatted = JSON.stringify(JSON.parse(text), null, indent);
        const parsed = parseJson(formatted);
        assert.ok(parsed.ok);
        assert.deepEqual(plain(parsed.value), JSON.parse(formatted));
      }),
    );
  });

  test('accepts exactly the texts that JSON.parse accepts', () => {
    const noise = fc.stringMatching(/^[[\]{}:,"\\ue0-9.+\-a\n\t ]{0,12}$/);
    const damaged = fc
      .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.string({ maxLength: 2 }))
      .map(([text, at, patch]) => {
        const cut = at % (text.length + 1);
        return text.slice(0, cut) + patch + text.slice(cut + 1);
      });
    fc.assert(
      fc.property(fc.oneof(noise, damaged, fc.string()), (text) => {
        const expected = parsedByPlatform(text);
        const parsed = parseJson(text);
        assert.equal(parsed.ok, expected !== undefined);
        if (parsed.ok) assert.deepEqual(plain(parsed.value), expected);
      }),
      { numRuns: 3000 },
    );
  });
});
