import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { admissionRefusal } from '../../../src/adapters/http/admission.ts';
import { HTTP_LIMITS } from '../../../src/adapters/http/limits.ts';
import { acceptsJson, isJson } from '../../../src/adapters/http/media-type.ts';
import { ROUTES } from '../../../src/adapters/http/routes.ts';
import type { ApiSource } from '../../../src/core/ports.ts';
import { CONFIG } from './test-api.ts';

const ACCEPT_CASES: readonly (readonly [accept: string | undefined, accepted: boolean])[] = [
  [undefined, true],
  ['', true],
  ['  ', true],
  ['*/*', true],
  ['application/json', true],
  ['Application/JSON', true],
  ['application/*', true],
  ['application/json; charset=utf-8', true],
  ['text/html, application/*;q=0.5', true],
  ['text/html,*/*;q=0.001', true],
  ['application/json;q=0', false],
  ['application/json;q=0, */*;q=1', false],
  ['application/*;q=0, application/json', true],
  ['*/*;q=0', false],
  ['*/*;q=0.0', false],
  ['application/json;q=nonsense', false],
  ['application/json;q=', false],
  ['application/json;q=2', false],
  ['text/html', false],
  ['application/xml', false],
  ['*', false],
  [';;,,,', false],
  ['application/jsonp', false],
];

for (const [accept, accepted] of ACCEPT_CASES) {
  test(`H05: Accept ${accept === undefined ? 'absent' : `"${accept}"`} ${accepted ? 'takes' : 'does not take'} JSON`, () => {
    assert.equal(acceptsJson(accept), accepted);
  });
}

test('a Content-Type is JSON by its media type alone', () => {
  for (const type of ['application/json', 'application/JSON;charset=utf-8', ' application/json ']) {
    assert.ok(isJson(type), type);
  }
  for (const type of [undefined, '', 'text/json', 'application/json+x', 'application/']) {
    assert.ok(!isJson(type), type);
  }
});

const source = { config: () => CONFIG } as ApiSource;

test('admission answers or lets through whatever comes, and its redirects stay on the site', () => {
  const request = fc.record({
    method: fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'POST', 'DELETE', 'BREW'),
    target: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc
        .array(fc.constantFrom('/', '//', '\\', '?', '.', 'a', 'evil.example', '%2f', '\u00ff'))
        .map((parts) => `/${parts.join('')}`),
    ),
    headers: fc.dictionary(
      fc.constantFrom('accept', 'content-type', 'content-length', 'transfer-encoding', 'host'),
      fc.string(),
    ),
    client: fc.oneof(fc.constantFrom('127.0.0.1', '::1', '10.0.0.9', ''), fc.string()),
    route: fc.constantFrom(null, ...ROUTES),
  });
  fc.assert(
    fc.property(request, (each) => {
      const refusal = admissionRefusal(each, source, HTTP_LIMITS);
      const location = refusal?.headers?.['location'];
      if (refusal === null) {
        assert.ok(each.route !== null);
        const answered = each.route.method === 'GET' ? ['GET', 'HEAD'] : [each.route.method];
        assert.ok(answered.includes(each.method));
        if (each.route.localOnly === true) assert.match(each.client, /^(::ffff:)?127\.|^::1$/);
      } else if (location !== undefined) {
        assert.match(location, /^[\x21-\x7e]*$/);
        if (each.target.startsWith('/')) {
          assert.equal(new URL(location, 'http://ours.example').origin, 'http://ours.example');
        }
      }
    }),
    { numRuns: 2000 },
  );
});
