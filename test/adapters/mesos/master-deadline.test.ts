import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { ManualClock } from '../manual-clock.ts';
import {
  daemonError,
  deferred,
  NEVER,
  startClient,
  startMaster,
  startSilentServer,
  STATE,
} from './loopback-master.ts';

const TIMEOUT_MS = 5_000;
const HTTPS = { caFile: null, certFile: null, keyFile: null };
const TIMED_OUT = daemonError(
  'master-timeout',
  /^master 127\.0\.0\.1:\d+: no complete state in 5000 ms$/,
);

test('S07: a master that never answers is given up at the deadline', async (t) => {
  const clock = new ManualClock();
  const master = await startSilentServer(t);
  const client = startClient(t, { requestTimeoutMs: TIMEOUT_MS }, { clock });
  const fetching = client.fetchState(master, NEVER);
  const hungUp = once(await master.accepted, 'close');
  clock.advance(TIMEOUT_MS - 1);
  clock.advance(1);
  await assert.rejects(fetching, TIMED_OUT);
  await hungUp;
  assert.equal(clock.pending, 0);
});

test('a body that drips is given up at the deadline of the whole request', async (t) => {
  const clock = new ManualClock();
  const asked = deferred<() => Promise<void>>();
  const hungUp = deferred();
  const master = await startMaster(t, (request, response) => {
    request.socket.once('close', () => hungUp.resolve());
    asked.resolve(() => new Promise((resolve) => response.write(' ', () => resolve())));
  });
  const client = startClient(t, { requestTimeoutMs: TIMEOUT_MS }, { clock });
  const rejected = assert.rejects(client.fetchState(master, NEVER), TIMED_OUT);
  const drip = await asked.promise;
  for (let passed = 0; passed < TIMEOUT_MS; passed += 1_000) {
    await drip();
    clock.advance(1_000);
  }
  await rejected;
  await hungUp.promise;
});

test('redirects do not prolong the deadline', async (t) => {
  const clock = new ManualClock();
  const leader = await startSilentServer(t);
  const master = await startMaster(t, (_request, response) => {
    clock.advance(TIMEOUT_MS - 1);
    response.writeHead(307, { location: `//127.0.0.1:${leader.port}` }).end();
  });
  const client = startClient(t, { requestTimeoutMs: TIMEOUT_MS }, { clock });
  const fetching = client.fetchState(master, NEVER);
  await leader.accepted;
  clock.advance(1);
  await assert.rejects(fetching, TIMED_OUT);
});

test('an error body that never ends is given up at the deadline', async (t) => {
  const clock = new ManualClock();
  const asked = deferred();
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(500).write('oops', () => asked.resolve());
  });
  const client = startClient(t, { requestTimeoutMs: TIMEOUT_MS }, { clock });
  const fetching = client.fetchState(master, NEVER);
  await asked.promise;
  clock.advance(TIMEOUT_MS);
  await assert.rejects(fetching, TIMED_OUT);
});

test('a connection that takes more than ten seconds to open is given up', async (t) => {
  const clock = new ManualClock();
  const master = await startSilentServer(t);
  const fetching = startClient(t, { tls: HTTPS }, { clock }).fetchState(master, NEVER);
  const hungUp = once(await master.accepted, 'close');
  clock.advance(10_000);
  await assert.rejects(
    fetching,
    daemonError('master-unreachable', /: no connection in time \(ETIMEDOUT\)$/),
  );
  await hungUp;
});

for (const tls of [null, HTTPS]) {
  test(`S07: the caller can give up a ${tls === null ? 'request' : 'handshake'} at once`, async (t) => {
    const clock = new ManualClock();
    const master = await startSilentServer(t);
    const abort = new AbortController();
    const fetching = startClient(t, { tls }, { clock }).fetchState(master, abort.signal);
    await master.accepted;
    const reason = new Error('another master leads');
    abort.abort(reason);
    await assert.rejects(fetching, (error) => error === reason);
  });
}

test('the caller can give up in the middle of a body', async (t) => {
  const hungUp = deferred();
  const asked = deferred();
  const master = await startMaster(t, (request, response) => {
    request.socket.once('close', () => hungUp.resolve());
    response.write(STATE.slice(0, 5), () => asked.resolve());
  });
  const abort = new AbortController();
  const fetching = startClient(t).fetchState(master, abort.signal);
  await asked.promise;
  abort.abort();
  await assert.rejects(fetching, { name: 'AbortError' });
  await hungUp.promise;
});

test('a signal that has already aborted sends nothing', async (t) => {
  const master = await startMaster(t, (_request, response) => response.end(STATE));
  await assert.rejects(startClient(t).fetchState(master, AbortSignal.abort()), {
    name: 'AbortError',
  });
  assert.equal(master.requests.length, 0);
});

test('a request leaves no listener at the signal and no timer behind', async (t) => {
  const clock = new ManualClock();
  const master = await startMaster(t, (_request, response) => response.end(STATE));
  const { signal } = new AbortController();
  let listeners = 0;
  const count = (name: 'addEventListener' | 'removeEventListener', step: number): void => {
    const original = signal[name].bind(signal) as (...args: unknown[]) => void;
    t.mock.method(signal, name, (...args: unknown[]) => {
      listeners += step;
      original(...args);
    });
  };
  count('addEventListener', 1);
  count('removeEventListener', -1);
  const client = startClient(t, {}, { clock });
  await client.fetchState(master, signal);
  await assert.rejects(client.fetchState({ host: '127.0.0.1', port: 1 }, signal));
  assert.equal(listeners, 0);
  assert.equal(clock.pending, 0);
});

test('close ends requests under way and refuses new ones', async (t) => {
  const master = await startSilentServer(t);
  const client = startClient(t);
  const fetching = client.fetchState(master, NEVER);
  const hungUp = once(await master.accepted, 'close');
  const rejected = assert.rejects(fetching, { name: 'AbortError' });
  await client.close();
  await rejected;
  await hungUp;
  await assert.rejects(client.fetchState(master, NEVER), { name: 'AbortError' });
});

/** Asks two masters that never answer, one before its TLS handshake, and closes when told to. */
const LEAKY_PROGRAM = `
const { createMasterClient, loadMasterFiles } = await import(process.argv[1]);
const { systemClock } = await import(process.argv[2]);
const host = '127.0.0.1';
const clients = [null, { caFile: null, certFile: null, keyFile: null }].map((tls) => {
  const config = { masters: [], pollIntervalMs: 1, requestTimeoutMs: 1e9, stateBytesMax: 1e6, tls,
    auth: { kind: 'none' } };
  const files = loadMasterFiles(config).value;
  return createMasterClient(config, { clock: systemClock, userAgent: 'hoplite/0.0.0', files });
});
const ports = process.argv.slice(3).map(Number);
const fetching = clients.map((client, i) =>
  client.fetchState({ host, port: ports[i] }, new AbortController().signal).catch(() => 'ended'),
);
process.stdin.once('data', async () => {
  process.stdin.destroy();
  await Promise.all(clients.map((client) => client.close()));
  console.log((await Promise.all(fetching)).join(' '));
});
`;

test('after close nothing keeps the process alive', async (t) => {
  const masters = [await startSilentServer(t), await startSilentServer(t)];
  const modules = ['mesos/master-client.js', 'clock.js'].map(
    (file) => new URL(`../../../src/adapters/${file}`, import.meta.url).href,
  );
  const ports = masters.map(({ port }) => String(port));
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', LEAKY_PROGRAM, ...modules, ...ports],
    { stdio: ['pipe', 'pipe', 'inherit'], timeout: 20_000 },
  );
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const exited = once(child, 'close');
  await Promise.race([Promise.all(masters.map(({ accepted }) => accepted)), exited]);
  child.stdin.write('close\n');
  assert.deepEqual(await exited, [0, null]);
  assert.equal(said, 'ended ended\n');
});
