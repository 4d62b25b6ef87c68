import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { loadMasterFiles } from '../../../src/adapters/mesos/master-client.ts';
import type { MasterClient } from '../../../src/adapters/mesos/master-client.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { HostPort } from '../../../src/core/config/config.ts';
import { ManualClock } from '../manual-clock.ts';
import {
  clusterConfig,
  daemonError,
  deferred,
  NEVER,
  startClient,
  startMaster,
  startSilentServer,
  STATE,
} from './loopback-master.ts';
import type { LoopbackMaster } from './loopback-master.ts';

const KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PRIVATE_KEY = KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const MINUTE_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'hoplite-iam-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

function writeAccount(account: unknown): string {
  const path = join(folder, `account-${files++}.json`);
  writeFileSync(path, typeof account === 'string' ? account : JSON.stringify(account));
  return path;
}

function jwt(claims: unknown): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part(claims)}.c2lnbmF0dXJl`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Answers logins with the tokens of `issue`, numbered from 1. */
function startLogin(t: TestContext, issue: (n: number) => string): Promise<LoopbackMaster> {
  let logins = 0;
  return startMaster(t, (_request, response) => {
    response.end(JSON.stringify({ token: issue(++logins) }));
  });
}

/** A master that takes only the tokens that `accepts` says. */
function startGuarded(
  t: TestContext,
  accepts: (token: string) => boolean,
): Promise<LoopbackMaster> {
  return startMaster(t, (request, response) => {
    const [, token = ''] = /^token=(.*)$/.exec(request.headers.authorization ?? '') ?? [];
    if (accepts(token)) response.end(STATE);
    else response.writeHead(401).end('who are you?');
  });
}

function startIamClient(t: TestContext, login: HostPort, clock = new ManualClock()): MasterClient {
  const configFile = writeAccount({
    uid: 'hoplite-account',
    private_key: PRIVATE_KEY,
    login_endpoint: `http://${login.host}:${login.port}/acs/api/v1/auth/login`,
  });
  return startClient(t, { auth: { kind: 'iam', configFile } }, { clock });
}

function tokensOf({ requests }: LoopbackMaster): string[] {
  return requests.map(({ headers }) => headers.authorization ?? '');
}

test('a login proves who we are with a signed JWT that lives for minutes', async (t) => {
  const clock = new ManualClock();
  const asked = deferred<{ request: IncomingMessage; body: string }>();
  const login = await startMaster(t, (request, response) => {
    void bodyOf(request).then((body) => {
      asked.resolve({ request, body });
      response.end('{"token":"granted"}');
    });
  });
  const master = await startGuarded(t, (token) => token === 'granted');
  await startIamClient(t, login, clock).fetchState(master, NEVER);
  assert.deepEqual(tokensOf(master), ['token=granted']);

  const { request, body } = await asked.promise;
  assert.equal(request.method, 'POST');
  assert.equal(request.url, '/acs/api/v1/auth/login');
  assert.equal(request.headers['content-type'], 'application/json');
  assert.equal(request.headers['user-agent'], 'hoplite/0.0.0');
  assert.equal(request.headers.authorization, undefined);
  const { uid, token } = JSON.parse(body) as { uid: string; token: string };
  assert.equal(uid, 'hoplite-account');
  const [header, claims, signature] = token.split('.') as [string, string, string];
  const decode = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
  assert.deepEqual(decode(header), { alg: 'RS256', typ: 'JWT' });
  assert.deepEqual(decode(claims), { uid, exp: clock.now() / 1000 + 300 });
  const signed = Buffer.from(`${header}.${claims}`);
  assert.ok(verify('sha256', signed, KEYS.publicKey, Buffer.from(signature, 'base64url')));
});

test('one login serves many requests, also those that ask at the same time', async (t) => {
  const login = await startLogin(t, (n) => `token-${n}`);
  const master = await startGuarded(t, () => true);
  const client = startIamClient(t, login);
  await Promise.all(Array.from({ length: 8 }, () => client.fetchState(master, NEVER)));
  await client.fetchState(master, NEVER);
  assert.equal(login.requests.length, 1);
  assert.deepEqual(new Set(tokensOf(master)), new Set(['token=token-1']));
});

const LIVES: readonly (readonly [life: string, lifeMs: number | null, usableMs: number])[] = [
  ['a day is used for 90 % of it', 1_440 * MINUTE_MS, 1_296 * MINUTE_MS],
  ['five minutes is used until a minute before the end', 5 * MINUTE_MS, 4 * MINUTE_MS],
  ['one minute is used for half of it', MINUTE_MS, MINUTE_MS / 2],
  ['unknown length is used for ten minutes', null, 10 * MINUTE_MS],
];

for (const [life, lifeMs, usableMs] of LIVES) {
  test(`a token with a life of ${life}`, async (t) => {
    const clock = new ManualClock();
    const login = await startLogin(t, (n) =>
      lifeMs === null ? `opaque-${n}` : jwt({ exp: (clock.now() + lifeMs) / 1000, n }),
    );
    const master = await startGuarded(t, () => true);
    const client = startIamClient(t, login, clock);
    await client.fetchState(master, NEVER);
    clock.advance(usableMs - 1);
    await client.fetchState(master, NEVER);
    assert.equal(login.requests.length, 1);
    clock.advance(1);
    await client.fetchState(master, NEVER);
    assert.equal(login.requests.length, 2);
    const [first, second, third] = tokensOf(master);
    assert.equal(first, second);
    assert.notEqual(second, third);
  });
}

test('a token with a nonsensical expiry still works', async (t) => {
  for (const claims of [{ exp: 'soon' }, { exp: -1 }, { exp: 1e300 }, {}, null, [1]]) {
    const login = await startLogin(t, () => jwt(claims));
    const master = await startGuarded(t, () => true);
    await startIamClient(t, login).fetchState(master, NEVER);
    assert.equal(master.requests.length, 1);
  }
});

test('a token that the master no longer takes is replaced once', async (t) => {
  const login = await startLogin(t, (n) => `token-${n}`);
  const revoked = new Set<string>();
  const master = await startGuarded(t, (token) => !revoked.has(token));
  const client = startIamClient(t, login);
  await client.fetchState(master, NEVER);
  revoked.add('token-1');
  await client.fetchState(master, NEVER);
  await client.fetchState(master, NEVER);
  assert.deepEqual(tokensOf(master), [
    'token=token-1',
    'token=token-1',
    'token=token-2',
    'token=token-2',
  ]);
  assert.equal(login.requests.length, 2);
});

test('a fresh token that is refused is not replaced again', async (t) => {
  const login = await startLogin(t, (n) => `token-${n}`);
  const master = await startGuarded(t, () => false);
  await assert.rejects(
    startIamClient(t, login).fetchState(master, NEVER),
    daemonError('master-auth', /^master .*: credentials refused: status 401: who are you\?$/),
  );
  assert.deepEqual(tokensOf(master), ['token=token-1', 'token=token-2']);
});

test('requests refused at the same time share the new login', async (t) => {
  const login = await startLogin(t, (n) => `token-${n}`);
  const revoked = new Set<string>();
  const master = await startGuarded(t, (token) => !revoked.has(token));
  const client = startIamClient(t, login);
  await client.fetchState(master, NEVER);
  revoked.add('token-1');
  await Promise.all(Array.from({ length: 6 }, () => client.fetchState(master, NEVER)));
  assert.equal(login.requests.length, 2);
});

test('403 is final: who we are is known, and another token would say the same', async (t) => {
  const login = await startLogin(t, () => 'granted');
  const master = await startMaster(t, (_request, response) => response.writeHead(403).end());
  await assert.rejects(
    startIamClient(t, login).fetchState(master, NEVER),
    daemonError('master-auth', /credentials refused: status 403$/),
  );
  assert.equal(login.requests.length, 1);
});

const LEAKY_TOKEN = 'eyJ-very-secret-token';
const BAD_LOGINS: readonly (readonly [what: string, answer: RequestListener, says: RegExp])[] = [
  [
    'is refused',
    (_request, response) => response.writeHead(401).end(LEAKY_TOKEN),
    /: status 401, expected 200$/,
  ],
  [
    'is redirected',
    (_request, response) => response.writeHead(307, { location: '/elsewhere' }).end(),
    /: status 307, expected 200$/,
  ],
  [
    'is answered with something that is not JSON',
    (_request, response) => response.end(`<${LEAKY_TOKEN}>`),
    /: the answer holds no token$/,
  ],
  ['has an empty token', (_request, response) => response.end('{"token":""}'), /no token$/],
  ['has a number as token', (_request, response) => response.end('{"token":1}'), /no token$/],
  ['is answered with a list', (_request, response) => response.end('["token"]'), /no token$/],
  [
    'has a token that would break the header',
    (_request, response) => response.end(JSON.stringify({ token: `${LEAKY_TOKEN}\r\nX: y` })),
    /: the answer holds no token$/,
  ],
  [
    'is answered without end',
    (_request, response) => endlessly(response, '{"token":"x"} '.repeat(1_000)),
    /: the answer is too long$/,
  ],
  [
    'is answered with a gzip bomb',
    (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end(gzipSync(Buffer.alloc(50_000_000, ' ')));
    },
    /: the answer is too long$/,
  ],
  [
    'breaks off',
    (request, response) => response.write('{"token":"x', () => request.socket.destroy()),
    /: the answer holds no token$/,
  ],
  ['is hung up on', (request) => request.socket.destroy(), /: connection (closed|reset)/],
];

function endlessly(response: ServerResponse, piece: string): void {
  while (!response.destroyed && response.write(piece));
  response.once('drain', () => endlessly(response, piece));
}

for (const [what, answer, says] of BAD_LOGINS) {
  test(`a login that ${what} fails, and says no secret`, async (t) => {
    const login = await startMaster(t, answer);
    const master = await startGuarded(t, () => true);
    await assert.rejects(startIamClient(t, login).fetchState(master, NEVER), (error) => {
      assert.ok(error instanceof DaemonError);
      assert.equal(error.code, 'master-auth');
      assert.match(error.message, says);
      assert.match(error.message, new RegExp(`^login at 127\\.0\\.0\\.1:${login.port}: `));
      assert.ok(!error.message.includes('eyJ'));
      assert.equal(error.cause, undefined);
      return true;
    });
    assert.equal(master.requests.length, 0);
  });
}

test('nobody at the login endpoint is said as it is', async (t) => {
  const master = await startGuarded(t, () => true);
  await assert.rejects(
    startIamClient(t, { host: '127.0.0.1', port: 1 }).fetchState(master, NEVER),
    daemonError('master-auth', /^login at 127\.0\.0\.1:1: connection refused \(ECONNREFUSED\)$/),
  );
});

test('a login that failed is tried again at the next request', async (t) => {
  let logins = 0;
  const login = await startMaster(t, (_request, response) => {
    logins += 1;
    if (logins === 1) response.writeHead(503).end();
    else response.end('{"token":"granted"}');
  });
  const master = await startGuarded(t, (token) => token === 'granted');
  const client = startIamClient(t, login);
  await assert.rejects(client.fetchState(master, NEVER), daemonError('master-auth', /503/));
  await client.fetchState(master, NEVER);
});

test('the deadline of the request covers the login', async (t) => {
  const clock = new ManualClock();
  const login = await startSilentServer(t);
  const master = await startGuarded(t, () => true);
  const fetching = startIamClient(t, login, clock).fetchState(master, NEVER);
  await login.accepted;
  clock.advance(MINUTE_MS);
  await assert.rejects(fetching, daemonError('master-timeout', /no complete state in 60000 ms$/));
  assert.equal(clock.pending, 0);
});

test('a caller that gives up leaves the login to the others; the last one ends it', async (t) => {
  const asked = deferred<ServerResponse>();
  const login = await startMaster(t, (_request, response) => asked.resolve(response));
  const master = await startGuarded(t, (token) => token === 'granted');
  const client = startIamClient(t, login);
  const [first, second] = [new AbortController(), new AbortController()];
  const left = assert.rejects(client.fetchState(master, first.signal), { name: 'AbortError' });
  const stayed = client.fetchState(master, second.signal);
  const response = await asked.promise;
  first.abort();
  await left;
  response.end('{"token":"granted"}');
  await stayed;
  assert.equal(login.requests.length, 1);
});

test('when all callers have given up the login ends, and the next one starts anew', async (t) => {
  const hungUp = deferred();
  const asked = deferred();
  const login = await startMaster(t, (request, response) => {
    if (login.requests.length > 1) {
      response.end('{"token":"granted"}');
      return;
    }
    request.socket.once('close', () => hungUp.resolve());
    asked.resolve();
  });
  const master = await startGuarded(t, (token) => token === 'granted');
  const client = startIamClient(t, login);
  const abort = new AbortController();
  const left = assert.rejects(client.fetchState(master, abort.signal), { name: 'AbortError' });
  await asked.promise;
  abort.abort();
  await left;
  await hungUp.promise;
  await client.fetchState(master, NEVER);
});

test('a server that echoes the token, whole or in part, is not quoted', async (t) => {
  const token = `eyJ${'secret'.repeat(500)}`;
  const login = await startLogin(t, () => token);
  const client = startIamClient(t, login);
  for (const length of [token.length, 1_000, 20]) {
    const master = await startMaster(t, (request, response) => {
      assert.equal(request.headers.authorization, `token=${token}`);
      response.writeHead(500).end(`bad token ${token.slice(0, length)}`);
    });
    await assert.rejects(
      client.fetchState(master, NEVER),
      daemonError('master-status', /: status 500$/),
    );
  }
});

// The service account file

function problemsOf(configFile: string, format?: 'mesos-dns'): string[] {
  const loaded = loadMasterFiles(clusterConfig({ auth: { kind: 'iam', configFile } }), format);
  return loaded.ok
    ? []
    : loaded.error.map(({ path, message }) => `${path}: ${message.replace(configFile, 'FILE')}`);
}

const GOOD = { uid: 'u', private_key: PRIVATE_KEY, login_endpoint: 'https://leader.mesos/login' };
const EC_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const EXPECTED = 'FILE: expected a JSON object with uid, private_key and login_endpoint';
const BAD_KEY = 'FILE: private_key is not usable; expected an RSA key as PEM, not encrypted';

const ACCOUNTS: readonly (readonly [what: string, account: unknown, problems: string[]])[] = [
  ['all there', GOOD, []],
  ['members of no concern', { ...GOOD, scheme: 'RS256' }, []],
  [
    'a key in the old PEM form',
    { ...GOOD, private_key: KEYS.privateKey.export({ type: 'pkcs1', format: 'pem' }) },
    [],
  ],
  ['no JSON', PRIVATE_KEY, [EXPECTED]],
  ['a list', [GOOD], [EXPECTED]],
  [
    'nothing in it',
    {},
    ['FILE: uid is missing', 'FILE: private_key is missing', 'FILE: login_endpoint is missing'],
  ],
  [
    'wrong types',
    { uid: '', private_key: 7, login_endpoint: null },
    [
      'FILE: uid is not a text, or empty',
      'FILE: private_key is not a text, or empty',
      'FILE: login_endpoint is not a text, or empty',
    ],
  ],
  [
    'a key and an endpoint that are none',
    { uid: 'u', private_key: 'secret', login_endpoint: 'leader.mesos' },
    [BAD_KEY, 'FILE: login_endpoint is not usable: it is not a URL'],
  ],
  ['a key of another kind', { ...GOOD, private_key: EC_KEY }, [BAD_KEY]],
  [
    'an endpoint that is not HTTP',
    { ...GOOD, login_endpoint: 'ldap://leader.mesos' },
    ['FILE: login_endpoint is not usable: it is not http or https'],
  ],
];

for (const [what, account, problems] of ACCOUNTS) {
  test(`a service account file with ${what} has ${problems.length} problems`, () => {
    assert.deepEqual(
      problemsOf(writeAccount(account)),
      problems.map((problem) => `cluster.auth.configFile: ${problem}`),
    );
  });
}

test('a service account file that is not there is a problem in the words of the file', () => {
  const path = join(folder, 'absent.json');
  const says = 'FILE: cannot be used: there is no such file';
  assert.deepEqual(problemsOf(path), [`cluster.auth.configFile: ${says}`]);
  assert.deepEqual(problemsOf(path, 'mesos-dns'), [`IAMConfigFile: ${says}`]);
});

test('problems of certificates and of the service account come together', () => {
  const loaded = loadMasterFiles(
    clusterConfig({
      tls: { caFile: join(folder, 'absent.pem'), certFile: null, keyFile: null },
      auth: { kind: 'iam', configFile: writeAccount({ ...GOOD, uid: '' }) },
    }),
  );
  assert.deepEqual(loaded.ok ? [] : loaded.error.map(({ path }) => path), [
    'cluster.tls.caFile',
    'cluster.auth.configFile',
  ]);
});
