import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeeperReply } from '../../../src/daemon/kernel/keeper-protocol.ts';
import type { KernelChildEvents } from '../../../src/daemon/kernel/kernel-child.ts';
import type { KernelReply, KernelRequest } from '../../../src/daemon/kernel/kernel-protocol.ts';
import { KernelRelay } from '../../../src/daemon/kernel/kernel-relay.ts';

const VIEW: KernelRequest = { kind: 'view', id: 1, view: 'ipvs' };
const ANSWER: KernelReply = { kind: 'view', id: 1, json: '{}' };

/** A kernel process that does nothing by itself. */
class IdleChild {
  readonly events: KernelChildEvents;
  /** What it was told to do, besides requests. */
  readonly orders: string[] = [];
  readonly onReads: (() => void)[] = [];

  constructor(events: KernelChildEvents) {
    this.events = events;
  }

  send(_request: KernelRequest, onRead: () => void): boolean {
    this.onReads.push(onRead);
    return false;
  }

  close(): void {
    this.orders.push('close');
  }

  kill(): void {
    this.orders.push('kill');
  }
}

/** A relay whose daemon reads when `onSents` are called. */
function relayed(startChild?: () => never) {
  const children: IdleChild[] = [];
  const told: KeeperReply[] = [];
  const onSents: (() => void)[] = [];
  const relay = new KernelRelay({
    startChild: (events) => {
      startChild?.();
      const child = new IdleChild(events);
      children.push(child);
      return child;
    },
    send: (message, onSent) => {
      told.push(message);
      onSents.push(onSent);
    },
  });
  return { relay, children, told, onSents };
}

test('requests and replies are passed on, and told when they were read', () => {
  const { relay, children, told } = relayed();
  relay.hear({ kind: 'start', child: 1 });
  relay.hear({ kind: 'request', child: 1, request: VIEW });
  assert.deepEqual(told, [], 'not read yet');
  children[0]?.onReads[0]?.();
  children[0]?.events.onReply(ANSWER);
  children[0]?.events.onEnd('signal SIGKILL');
  assert.deepEqual(told, [
    { kind: 'read', child: 1 },
    { kind: 'reply', child: 1, reply: ANSWER },
    { kind: 'ended', child: 1, why: 'signal SIGKILL' },
  ]);
});

test('what is meant for a process that has ended does not reach the next', () => {
  const { relay, children, told } = relayed();
  relay.hear({ kind: 'start', child: 1 });
  children[0]?.events.onEnd('exit code 3');
  relay.hear({ kind: 'start', child: 2 });
  relay.hear({ kind: 'request', child: 1, request: VIEW });
  relay.hear({ kind: 'kill', child: 1 });
  assert.deepEqual(children[1]?.onReads, []);
  assert.deepEqual(children[1].orders, []);
  // Nor does the daemon hear of the old one.
  children[0]?.events.onReply(ANSWER);
  assert.equal(told.length, 1);
});

test('there is one kernel process at a time', () => {
  const { relay, children, told } = relayed();
  relay.hear({ kind: 'start', child: 1 });
  relay.hear({ kind: 'start', child: 2 });
  assert.equal(children.length, 1);
  assert.deepEqual(told, [{ kind: 'ended', child: 2, why: 'another one still runs' }]);
});

test('a process that cannot be started has ended', () => {
  const { relay, told } = relayed(() => {
    throw new Error('no memory');
  });
  relay.hear({ kind: 'start', child: 1 });
  assert.deepEqual(told, [{ kind: 'ended', child: 1, why: 'no memory' }]);
});

test('orders to end are passed on, and so is the end of the daemon', () => {
  const { relay, children } = relayed();
  relay.hear({ kind: 'start', child: 1 });
  relay.hear({ kind: 'close', child: 1 });
  relay.hear({ kind: 'kill', child: 1 });
  relay.close();
  relay.close();
  assert.deepEqual(children[0]?.orders, ['close', 'kill', 'close']);
});

test('replies that a daemon does not read are bounded by the end of the process', () => {
  const { relay, children, told, onSents } = relayed();
  relay.hear({ kind: 'start', child: 1 });
  const [child] = children;
  const reply = (): void => child?.events.onReply(ANSWER);
  for (let i = 0; i < 150; i++) {
    reply();
    onSents.at(-1)?.();
  }
  for (let i = 0; i < 100; i++) reply();
  assert.deepEqual(child?.orders, [], 'those that were read do not count');
  reply();
  assert.deepEqual(child.orders, ['kill']);
  assert.equal(told.length, 250);
});
