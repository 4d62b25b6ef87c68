import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../src/core/config/parse-config.ts';

/** What a Mesos-DNS file is refused for, as `path: message`; empty if it is good. */
function refusals(parts: Readonly<Record<string, unknown>>): string[] {
  const file = { masters: ['10.0.0.1:5050'], ...parts };
  const { config, problems } = parseConfig(JSON.stringify(file), '');
  const errors = problems.filter(({ severity }) => severity === 'error');
  assert.equal(config === null, errors.length > 0, 'errors, and only errors, stop the start');
  return errors.map(({ path, message }) => `${path}: ${message}`);
}

/** One refusal of this key whose message matches. */
function assertRefused(parts: Readonly<Record<string, unknown>>, expected: RegExp): void {
  const [first = '(accepted)', ...more] = refusals(parts);
  assert.match(first, expected);
  assert.deepEqual(more, []);
}

describe('configurations that Mesos-DNS starts with and should not', () => {
  test('D28: a negative ttl is refused', () => {
    assertRefused({ ttl: -1 }, /^ttl: .*0 or more.* -1$/);
    assert.deepEqual(refusals({ ttl: 0 }), []);
  });

  test('S01: a listener that is a name or junk is refused, before anything runs', () => {
    for (const listener of ['localhost', '', '10.0.0.256', 'eth0']) {
      assertRefused({ listener }, /^listener: expected an IP address/);
    }
    assert.deepEqual(refusals({ listener: '::1' }), []);
  });

  test('S03: refreshSeconds of 0 or less is refused', () => {
    for (const refreshSeconds of [0, -1]) {
      assertRefused({ refreshSeconds }, /^refreshSeconds: expected 1 or more seconds/);
    }
    assert.deepEqual(refusals({ refreshSeconds: 1 }), []);
  });

  test('S09: a slash at the end of the zk path says nothing, and credentials are used', () => {
    const zk = 'zk://user:hunter2@10.0.0.1:2181/mesos/';
    const { config } = parseConfig(JSON.stringify({ zk }), '');
    assert.deepEqual(config?.cluster.zookeeper, {
      servers: [{ host: '10.0.0.1', port: 2181 }],
      path: '/mesos',
      auth: { user: 'user', password: 'hunter2' },
    });
  });

  test('S09: credentials in a refused zk value are not shown', () => {
    const [text = ''] = refusals({ masters: [], zk: 'zk://user:hunter2@10.0.0.1:x/mesos' });
    assert.match(text, /^zk: expected/);
    assert.doesNotMatch(text, /hunter2/);
  });

  test('S14: a zk value that is not ZooKeeper is refused, even beside masters', () => {
    for (const zk of ['file:///etc/mesos/zk', '10.0.0.1:5050', 'master@10.0.0.1:5050']) {
      assertRefused({ zk }, /^zk: expected "zk:\/\/.*wrong addresses$/);
    }
  });

  test('S15: a resolver for the own domain is refused in any case of letters', () => {
    for (const [domain, zone] of [
      ['MESOS', 'mesos'],
      ['mesos', 'MESOS'],
      ['Mesos', 'mEsos'],
    ] as const) {
      assertRefused(
        { domain, zoneResolvers: { [zone]: ['10.0.0.53'] } },
        /is the own domain mesos/,
      );
    }
  });
});
