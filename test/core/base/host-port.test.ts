import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatHostPort, parseHostPort } from '../../../src/core/base/host-port.ts';

describe('parseHostPort', () => {
  const good: readonly (readonly [string, number | null, string, number])[] = [
    ['10.0.0.1:5050', null, '10.0.0.1', 5050],
    ['10.0.0.1', 53, '10.0.0.1', 53],
    ['Master-1.Example.COM:5050', null, 'master-1.example.com', 5050],
    ['leader.mesos.:5050', null, 'leader.mesos', 5050],
    ['localhost:1', null, 'localhost', 1],
    ['under_score:65535', null, 'under_score', 65535],
    ['[2001:DB8::1]:5050', null, '2001:db8::1', 5050],
    ['[::1]', 53, '::1', 53],
    ['2001:db8:0:0::1', 53, '2001:db8::1', 53],
    ['[::ffff:10.0.0.1]:5050', null, '10.0.0.1', 5050],
  ];
  for (const [text, defaultPort, host, port] of good) {
    test(`"${text}" is host ${host} and port ${port}`, () => {
      assert.deepEqual(parseHostPort(text, defaultPort), { ok: true, value: { host, port } });
    });
  }

  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /host:port/],
    ['10.0.0.1', /a port, as in 10\.0\.0\.1:5050/],
    ['[::1]', /a port, as in \[::1\]:5050/],
    ['2001:db8::1', /a port, as in \[2001:db8::1\]:5050/],
    ['10.0.0.1:', /a port from 1 to 65535/],
    ['10.0.0.1:0', /a port from 1 to 65535/],
    ['10.0.0.1:65536', /a port from 1 to 65535/],
    ['10.0.0.1:5050x', /a port from 1 to 65535/],
    ['10.0.0.1:+80', /a port from 1 to 65535/],
    [':5050', /an IP address or a host name/],
    ['a b:5050', /an IP address or a host name/],
    ['a..b:5050', /an IP address or a host name/],
    ['*:5050', /an IP address or a host name/],
    [`${'a'.repeat(64)}:5050`, /an IP address or a host name/],
    [`${'a.'.repeat(127)}a:5050`, /an IP address or a host name/],
    ['10.0.0:5050', /an IP address or a host name/],
    ['010.0.0.1:5050', /an IP address or a host name/],
    ['256.0.0.1:5050', /an IP address or a host name/],
    ['0x7f:5050', /an IP address or a host name/],
    ['[10.0.0.1]:5050', /an IPv6 address between the brackets/],
    ['[fe80::1%eth0]:5050', /an IPv6 address between the brackets/],
    ['[::1', /\[address\]:port/],
    ['[::1]5050', /\[address\]:port/],
    ['a:b:5050', /\[address\]:port/],
    ['user:secret@host:5050', /\[address\]:port/],
    ['http://10.0.0.1:5050', /\[address\]:port/],
  ];
  for (const [text, expected] of bad) {
    test(`"${text.slice(0, 30)}" is refused`, () => {
      const parsed = parseHostPort(text, null);
      assert.ok(!parsed.ok);
      assert.match(parsed.error, expected);
    });
  }

  test('port 0 is for listeners only', () => {
    assert.deepEqual(parseHostPort('127.0.0.1:0', null, 0), {
      ok: true,
      value: { host: '127.0.0.1', port: 0 },
    });
    assert.equal(parseHostPort('127.0.0.1:0', null).ok, false);
  });

  test('reads back what formatHostPort writes', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (text, port) => {
        const first = parseHostPort(text.includes(':') ? `[${text}]:${port}` : text, port);
        assert.ok(first.ok);
        assert.deepEqual(parseHostPort(formatHostPort(first.value), null), first);
      }),
    );
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]:.0-9a]{0,20}$/)), (text) => {
        const parsed = parseHostPort(text, 53, 0);
        assert.ok(!parsed.ok || parsed.value.port <= 65535);
      }),
    );
  });
});
