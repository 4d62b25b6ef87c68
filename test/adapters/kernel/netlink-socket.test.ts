import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { createNetlinkClient } from '../../../src/adapters/kernel/netlink-client.ts';
import {
  NETLINK_PROTOCOL,
  type NetlinkSocket,
  openNetlinkSocket,
} from '../../../src/adapters/kernel/netlink-socket.ts';
import { ERRNO } from '../../../src/core/netlink/errno.ts';
import {
  decodeLink,
  encodeLinkName,
  LINK_MESSAGE,
} from '../../../src/core/netlink/link-message.ts';
import type { NetlinkRequest } from '../../../src/core/netlink/message.ts';
import { inTime } from '../../support/wait-until.ts';

// The kernel itself answers; nothing here needs a capability, or changes anything.
const skip = process.platform !== 'linux' && 'needs Linux';

/** NETLINK_USERSOCK: for programs among each other, the kernel does not listen. */
const PROTOCOL_WITHOUT_KERNEL = 2;
const TIMEOUT_MS = 5000;

async function open(
  t: TestContext,
  purpose: 'requests' | 'dumps' = 'requests',
  protocol: number = NETLINK_PROTOCOL.ROUTE,
): Promise<NetlinkSocket> {
  const socket = await openNetlinkSocket({ protocol, purpose, timeoutMs: TIMEOUT_MS });
  t.after(() => socket.close());
  return socket;
}

function get(name: string): NetlinkRequest {
  return { type: LINK_MESSAGE.GET, flags: 0, body: encodeLinkName(name) };
}
/** A request that fails whoever makes it. */
const BAD: NetlinkRequest = {
  type: LINK_MESSAGE.DELETE,
  flags: 0,
  body: encodeLinkName('hoplite-none'),
};
const BAD_ERRNOS: readonly number[] = [ERRNO.EPERM, ERRNO.ENODEV];

test('a question is answered', { skip }, async (t) => {
  const socket = await open(t);
  const { errno, bodies } = await socket.ask(get('lo'));
  assert.equal(errno, 0);
  assert.deepEqual(bodies.map(decodeLink), [{ index: 1, name: 'lo', isUp: true, kind: null }]);
});

test('what does not exist is an error number, and the socket goes on', { skip }, async (t) => {
  const socket = await open(t);
  assert.equal((await socket.ask(get('hoplite-none'))).errno, ERRNO.ENODEV);
  assert.equal((await socket.ask(get('lo'))).errno, 0);
});

test('questions in line are answered each its own', { skip }, async (t) => {
  const socket = await open(t);
  const names = Array.from({ length: 50 }, (_, i) => (i % 3 === 0 ? 'lo' : 'hoplite-none'));
  const replies = await Promise.all(names.map((name) => socket.ask(get(name))));
  assert.deepEqual(
    replies.map(({ errno, bodies }) => [errno, bodies.length]),
    names.map((name) => (name === 'lo' ? [0, 1] : [ERRNO.ENODEV, 0])),
  );
});

test('a list ends', { skip }, async (t) => {
  const socket = await open(t, 'dumps');
  const { errno, bodies } = await socket.dump({
    type: LINK_MESSAGE.GET,
    flags: 0,
    body: new Uint8Array(16),
  });
  assert.equal(errno, 0);
  assert.ok(bodies.some((body) => decodeLink(body)?.name === 'lo'));
});

test('errors of a batch belong to their requests', { skip }, async (t) => {
  const socket = await open(t);
  // A question is answered before its end: the answer must not be taken for that of another.
  const errnos = await socket.change([BAD, get('lo'), BAD, get('hoplite-none')]);
  const [first = 0, second, third = 0, fourth] = errnos;
  assert.ok(BAD_ERRNOS.includes(first) && BAD_ERRNOS.includes(third));
  assert.deepEqual([second, fourth], [0, ERRNO.ENODEV]);
});

test('IPVS c.19: 2,000 errors at once do not overflow the receive buffer', { skip }, async (t) => {
  const client = createNetlinkClient(NETLINK_PROTOCOL.ROUTE, TIMEOUT_MS);
  t.after(() => client.close());
  const errnos = await client.change(new Array<NetlinkRequest>(2000).fill(BAD));
  assert.equal(errnos.length, 2000);
  assert.ok(errnos.every((errno) => BAD_ERRNOS.includes(errno)));
});

test('a failed send ends the socket, and the client opens another', { skip }, async (t) => {
  const socket = await open(t, 'requests', PROTOCOL_WITHOUT_KERNEL);
  await assert.rejects(socket.ask(get('lo')), { code: 'kernel-failed' });
  assert.equal(socket.isOpen, false);
  const client = createNetlinkClient(PROTOCOL_WITHOUT_KERNEL, TIMEOUT_MS);
  t.after(() => client.close());
  for (let i = 0; i < 2; i++) {
    await assert.rejects(client.ask(get('lo')), { code: 'kernel-failed', message: /refused/i });
  }
});

test('what is under way is rejected on closing', { skip }, async (t) => {
  const socket = await open(t);
  const asked = [socket.ask(get('lo')), socket.ask(get('lo'))];
  socket.close();
  for (const one of asked) await assert.rejects(one, { code: 'kernel-failed', message: /closed/ });
  await assert.rejects(socket.ask(get('lo')), { code: 'kernel-failed' });
});

test('closing in the midst of an answer is survived', { skip }, async (t) => {
  const socket = await open(t);
  // Continues within the callback of the binding.
  await socket.ask(get('lo')).then(() => socket.close());
  await inTime('the loop goes on', new Promise((resolve) => setImmediate(resolve)));
  assert.equal(socket.isOpen, false);
});

test('the kernel is waited for no longer than the timeout', { skip }, async (t) => {
  const socket = await openNetlinkSocket({
    protocol: NETLINK_PROTOCOL.ROUTE,
    purpose: 'requests',
    timeoutMs: 1,
  });
  t.after(() => socket.close());
  const asked = socket.ask(get('lo'));
  // The event loop is busy for longer: the timer comes before the answer is read.
  const end = performance.now() + 20;
  while (performance.now() < end);
  await assert.rejects(asked, { code: 'kernel-timeout' });
  assert.equal(socket.isOpen, false);
});

test('an open socket does not keep the process, one that waits does', { skip }, () => {
  const module = new URL('../../../src/adapters/kernel/netlink-socket.js', import.meta.url).href;
  const script = `
    import { openNetlinkSocket } from ${JSON.stringify(module)};
    const socket = await openNetlinkSocket({ protocol: 0, purpose: 'requests', timeoutMs: 5000 });
    const body = Buffer.alloc(16);
    body.writeInt32LE(1, 4);
    socket.ask({ type: 18, flags: 0, body }).then(({ errno }) => process.stdout.write('errno ' + errno));
  `;
  const args = ['--input-type=module', '--eval', script];
  const child = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 10_000 });
  assert.deepEqual([child.status, child.stdout], [0, 'errno 0']);
});
