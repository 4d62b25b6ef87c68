import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followLocation, originOf, parseHttpUrl } from '../../../src/adapters/mesos/master-url.ts';
import type { MasterUrl } from '../../../src/adapters/mesos/master-url.ts';

const FROM: MasterUrl = { scheme: 'http', host: '10.0.0.1', port: 5050, path: '/master/state' };
const FROM_TLS: MasterUrl = { ...FROM, scheme: 'https' };

function follow(from: MasterUrl, location: string): string {
  const target = followLocation(from, location);
  return target.ok ? originOf(target.value) + target.value.path : `refused: ${target.error}`;
}

const HTTP_CASES: readonly (readonly [location: string, target: string])[] = [
  ['//10.0.0.2:5050/master/state', 'http://10.0.0.2:5050/master/state'],
  ['//10.0.0.2:5050', 'http://10.0.0.2:5050/master/state'],
  ['//10.0.0.2:5050/', 'http://10.0.0.2:5050/master/state'],
  ['http://10.0.0.2:5051/state', 'http://10.0.0.2:5051/state'],
  ['http://10.0.0.2', 'http://10.0.0.2:80/master/state'],
  ['https://leader.example', 'https://leader.example:443/master/state'],
  ['/mesos/master/state?x=1', 'http://10.0.0.1:5050/mesos/master/state?x=1'],
  ['state.json', 'http://10.0.0.1:5050/master/state.json'],
  ['//[2001:db8::2]:5050/master/state', 'http://[2001:db8::2]:5050/master/state'],
  ['//Leader.Example:5050/x', 'http://leader.example:5050/x'],
  ['//10.0.0.2:0/x', 'refused: its port is 0'],
  ['//10.0.0.2:65536/x', 'refused: it is not a URL'],
  ['//user:secret@10.0.0.2/x', 'refused: it holds a user name or password'],
  ['ftp://10.0.0.2/x', 'refused: it is not http or https'],
  ['file:///etc/passwd', 'refused: it is not http or https'],
  ['javascript:alert(1)', 'refused: it is not http or https'],
  ['http://', 'refused: it is not a URL'],
];

for (const [location, target] of HTTP_CASES) {
  test(`from http, Location ${location} leads to ${target}`, () => {
    assert.equal(follow(FROM, location), target);
  });
}

test('from https, only https is followed', () => {
  assert.equal(follow(FROM_TLS, '//10.0.0.2:5050/x'), 'https://10.0.0.2:5050/x');
  assert.equal(follow(FROM_TLS, 'https://10.0.0.2:5050/x'), 'https://10.0.0.2:5050/x');
  assert.equal(follow(FROM_TLS, 'http://10.0.0.2:5050/x'), 'refused: it leads from https to http');
});

test('a login endpoint is read as an absolute URL only', () => {
  assert.deepEqual(parseHttpUrl('https://[::1]/acs/api/v1/auth/login'), {
    ok: true,
    value: { scheme: 'https', host: '::1', port: 443, path: '/acs/api/v1/auth/login' },
  });
  assert.deepEqual(parseHttpUrl('/acs/api/v1/auth/login'), { ok: false, error: 'it is not a URL' });
});
