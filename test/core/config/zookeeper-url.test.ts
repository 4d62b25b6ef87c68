import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatZookeeperUrl, parseZookeeperUrl } from '../../../src/core/config/zookeeper-url.ts';

const SERVERS = [{ host: 'zk1', port: 2181 }];

describe('addresses of ZooKeeper', () => {
  const good: readonly (readonly [string, unknown])[] = [
    ['zk://zk1/mesos', { servers: SERVERS, path: '/mesos', auth: null }],
    ['zk://zk1', { servers: SERVERS, path: '/', auth: null }],
    ['zk://zk1/', { servers: SERVERS, path: '/', auth: null }],
    ['zk://ZK1:2181/a/b///', { servers: SERVERS, path: '/a/b', auth: null }],
    [
      'zk://[::1],10.0.0.1:2182/mesos',
      {
        servers: [
          { host: '::1', port: 2181 },
          { host: '10.0.0.1', port: 2182 },
        ],
        path: '/mesos',
        auth: null,
      },
    ],
    [
      'zk://me:a%3Ab%2Fc@d:e@zk1/mesos',
      { servers: SERVERS, path: '/mesos', auth: { user: 'me', password: 'a:b/c@d:e' } },
    ],
    [
      'zk://me:@zk1/mesos',
      { servers: SERVERS, path: '/mesos', auth: { user: 'me', password: '' } },
    ],
  ];
  for (const [text, expected] of good) {
    test(`${text} is one`, () => {
      assert.deepEqual(parseZookeeperUrl(text), { ok: true, value: expected });
    });
  }

  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /^"zk:/],
    ['zk1:2181/mesos', /^"zk:/],
    ['file:///etc/zk', /^"zk:/],
    ['zk://', /server 1 .*host:port/],
    ['zk:///mesos', /server 1/],
    ['zk://zk1,/mesos', /server 2/],
    ['zk://zk1:0/mesos', /port from 1 to 65535/],
    ['zk://zk1,ZK1:2181/mesos', /server 2 is there twice/],
    ['zk://hidden@zk1/mesos', /user:password/],
    ['zk://:hidden@zk1/mesos', /user:password/],
    ['zk://hi%3Adden:x@zk1/mesos', /without a colon/],
    ['zk://me:hidden%@zk1/mesos', /%25/],
    ['zk://me:hidden/2@zk1/mesos', /server 1/],
    ['zk://zk1/mesos//masters', /path/],
    ['zk://zk1/./mesos', /path/],
    ['zk://zk1/mesos/..', /path/],
    ['zk://zk1/me\u0000sos', /path/],
    [`zk://${Array.from({ length: 65 }, (_, i) => `zk${i}`).join(',')}/mesos`, /64 servers/],
    [`zk://zk1/${'a'.repeat(4096)}`, /4096 characters/],
  ];
  for (const [text, expected] of bad) {
    test(`${JSON.stringify(text.slice(0, 60))} is none`, () => {
      const parsed = parseZookeeperUrl(text);
      assert.ok(!parsed.ok);
      assert.match(parsed.error, expected);
      assert.doesNotMatch(parsed.error, /hidden/);
    });
  }

  test('what is shown has every port, and no password', () => {
    const parsed = parseZookeeperUrl('zk://m%40e:hidden@zk1,[::1]/mesos/');
    assert.ok(parsed.ok);
    assert.equal(formatZookeeperUrl(parsed.value), 'zk://m%40e:********@zk1:2181,[::1]:2181/mesos');
  });
});
