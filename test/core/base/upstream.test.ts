import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatUpstream,
  formatUpstreamIdentity,
  parseUpstream,
} from '../../../src/core/base/upstream.ts';

const PIN = 'qvd4EDdxAJcyrIqzYvJpHCVQi+bFzGFTXXgKXmFSN0o=';
const OTHER_PIN = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';

const GOOD: readonly (readonly [text: string, label: string, identity: string])[] = [
  ['10.0.0.53', '10.0.0.53:53', '10.0.0.53:53'],
  ['[FD00::1]:5353', '[fd00::1]:5353', '[fd00::1]:5353'],
  ['tls://1.1.1.1#One.One.One.One', 'tls://1.1.1.1:853', 'tls://1.1.1.1:853#one.one.one.one'],
  ['tls://[2606::1]:8853#name.', 'tls://[2606::1]:8853', 'tls://[2606::1]:8853#name'],
  ['tls://2606::1#name', 'tls://[2606::1]:853', 'tls://[2606::1]:853#name'],
  [
    `tls://10.0.0.1#pin-sha256=${PIN}`,
    'tls://10.0.0.1:853',
    `tls://10.0.0.1:853#pin-sha256=${PIN}`,
  ],
  [
    `tls://10.0.0.1#pin-sha256=${PIN},name,pin-sha256=${OTHER_PIN},pin-sha256=${PIN}`,
    'tls://10.0.0.1:853',
    `tls://10.0.0.1:853#name,pin-sha256=${PIN},pin-sha256=${OTHER_PIN}`,
  ],
];

for (const [text, label, identity] of GOOD) {
  test(`the upstream ${text} is called ${label}`, () => {
    const upstream = parseUpstream(text);
    assert.ok(upstream.ok);
    assert.equal(formatUpstream(upstream.value), label);
    assert.equal(formatUpstreamIdentity(upstream.value), identity);
    assert.deepEqual(parseUpstream(identity), upstream);
  });
}

test('an upstream without TLS has an address and a port alone', () => {
  const upstream = parseUpstream('10.0.0.53');
  assert.deepEqual(upstream, { ok: true, value: { address: '10.0.0.53', port: 53 } });
});

const BAD: readonly (readonly [text: string, expected: RegExp])[] = [
  ['', /^an IP address with a port from 1 to 65535 or without \(53\)$/],
  ['dns.example', /^an IP address with a port/],
  ['10.0.0.1#name', /^an IP address with a port/],
  ['https://10.0.0.1#name', /^an IP address with a port/],
  ['TLS://10.0.0.1#name', /^an IP address with a port/],
  ['tls://dns.example#dns.example', /^an IP address with .* \(853\) after tls:\/\/$/],
  ['tls://10.0.0.1:0#name', /after tls:\/\/$/],
  ['tls://10.0.0.1', /^after # the name/],
  ['tls://10.0.0.1#', /^after # the name/],
  ['tls://10.0.0.1#10.0.0.1', /^after # the name/],
  ['tls://10.0.0.1#name:853', /^after # the name/],
  ['tls://10.0.0.1#::1', /^after # the name/],
  ['tls://10.0.0.1#one,two', /^after # the name/],
  ['tls://10.0.0.1#name,', /^after # the name/],
  ['tls://10.0.0.1#name#other', /^after # the name/],
  ['tls://10.0.0.1#pin-sha256=', /^44 characters of base64/],
  [`tls://10.0.0.1#pin-sha256=${PIN.slice(1)}`, /^44 characters of base64/],
  [`tls://10.0.0.1#pin-sha256=${PIN.replace('o=', 'p=')}`, /^44 characters of base64/],
  [
    `tls://10.0.0.1#${Array.from({ length: 9 }, (_, i) => `pin-sha256=${i}${PIN.slice(1)}`).join()}`,
    /^8 pins at most$/,
  ],
];

for (const [text, expected] of BAD) {
  test(`"${text.slice(0, 40)}" is no upstream`, () => {
    const upstream = parseUpstream(text);
    assert.ok(!upstream.ok);
    assert.match(upstream.error, expected);
  });
}
