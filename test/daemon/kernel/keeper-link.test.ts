import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeeperLink } from '../../../src/daemon/kernel/keeper-link.ts';
import type { KeeperRequest } from '../../../src/daemon/kernel/keeper-protocol.ts';
import type { KernelReply, KernelRequest } from '../../../src/daemon/kernel/kernel-protocol.ts';

const desire = (bytes: number): KernelRequest => ({
  kind: 'desire',
  update: new Uint8Array(bytes),
});
const ANSWER: KernelReply = { kind: 'view', id: 1, json: '{}' };

function linked() {
  const sent: KeeperRequest[] = [];
  const link = new KeeperLink((message) => sent.push(message));
  const replies: KernelReply[] = [];
  const ends: string[] = [];
  const start = () =>
    link.startChild({
      onReply: (reply) => replies.push(reply),
      onEnd: (why) => ends.push(why),
    });
  return { link, sent, replies, ends, start };
}

test('a kernel process is started, fed and ended by the keeper', () => {
  const { link, sent, replies, ends, start } = linked();
  const child = start();
  child.send(desire(1), () => undefined);
  link.hear({ kind: 'reply', child: 1, reply: ANSWER });
  child.close();
  child.kill();
  link.hear({ kind: 'ended', child: 1, why: 'exit code 0' });
  assert.deepEqual(
    sent.map(({ kind, child }) => `${kind} ${child}`),
    ['start 1', 'request 1', 'close 1', 'kill 1'],
  );
  assert.deepEqual(replies, [ANSWER]);
  assert.deepEqual(ends, ['exit code 0']);
});

test('the way is full until requests were read, oldest first', () => {
  const { link, start } = linked();
  const child = start();
  const read: string[] = [];
  assert.equal(
    child.send(desire(60_000), () => read.push('first')),
    true,
  );
  assert.equal(
    child.send(desire(80_000), () => read.push('second')),
    false,
  );
  link.hear({ kind: 'read', child: 1 });
  assert.deepEqual(read, ['first']);
  assert.equal(
    child.send(desire(10), () => read.push('third')),
    true,
  );
  link.hear({ kind: 'read', child: 1 });
  link.hear({ kind: 'read', child: 1 });
  assert.deepEqual(read, ['first', 'second', 'third']);
});

test('what is said of a process before is not taken for one of the next', () => {
  const { link, replies, ends, sent, start } = linked();
  const first = start();
  first.send(desire(1), () => assert.fail('it was not read'));
  link.hear({ kind: 'ended', child: 1, why: 'signal SIGKILL' });
  start();
  for (const child of [1, 3]) {
    link.hear({ kind: 'reply', child, reply: ANSWER });
    link.hear({ kind: 'read', child });
    link.hear({ kind: 'ended', child, why: 'again' });
  }
  assert.deepEqual([replies, ends], [[], ['signal SIGKILL']]);
  const before = sent.length;
  assert.equal(
    first.send(desire(1_000_000), () => undefined),
    true,
  );
  assert.equal(sent.length, before);
});

test('a signal of the keeper is emitted, and nobody listening is told', () => {
  const { link } = linked();
  assert.equal(link.hear({ kind: 'signal', signal: 'SIGTERM' }), false);
  const heard: unknown[] = [];
  link.signals.on('SIGTERM', (signal) => heard.push(signal));
  assert.equal(link.hear({ kind: 'signal', signal: 'SIGTERM' }), true);
  assert.deepEqual(heard, ['SIGTERM']);
});
