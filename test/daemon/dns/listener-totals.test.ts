import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TcpListener } from '../../../src/adapters/dns/tcp-listener.ts';
import type { UdpListener } from '../../../src/adapters/dns/udp-listener.ts';
import { ListenerTotals } from '../../../src/daemon/dns/listener-totals.ts';

const address = { address: '127.0.0.1', port: 53 };

/** A UDP listener with counts that the test sets. */
class ScriptedUdp {
  dropped: Record<string, number> = { short: 1, response: 0 };
  sendErrors: Record<string, number> = {};
  beforeClosed = (): Promise<void> => Promise.resolve();
  readonly listener = {
    address,
    receiveBufferBytes: 9,
    stats: () => ({ dropped: this.dropped, sendErrors: this.sendErrors }),
    close: () => this.beforeClosed(),
  } as unknown as UdpListener;
}

class ScriptedTcp {
  refused: Record<string, number> = { total: 2 };
  closed: Record<string, number> = { idle: 3 };
  readonly graces: number[] = [];
  readonly listener = {
    address,
    stats: () => ({ open: 5, refused: this.refused, closed: this.closed }),
    close: (graceMs: number) => Promise.resolve(void this.graces.push(graceMs)),
  } as unknown as TcpListener;
}

test('counts of all listeners are summed by reason and by code', () => {
  const totals = new ListenerTotals();
  const [first, second, tcp] = [new ScriptedUdp(), new ScriptedUdp(), new ScriptedTcp()];
  totals.addUdp(first.listener);
  totals.addUdp(second.listener);
  totals.addTcp(tcp.listener);
  totals.addTcp(new ScriptedTcp().listener);
  first.dropped = { short: 4, response: 1 };
  first.sendErrors = { EPERM: 1 };
  second.sendErrors = { EPERM: 1, EMSGSIZE: 1 };
  assert.deepEqual(totals.read(), {
    tcpRefused: { total: 4 },
    tcpClosed: { idle: 6 },
    udpDropped: { short: 5, response: 1 },
    udpSendErrors: { EPERM: 2, EMSGSIZE: 1 },
  });
});

test('a listener that is closed, even twice, takes nothing from the sums and adds nothing', async () => {
  const totals = new ListenerTotals();
  const [goes, stays, tcp] = [new ScriptedUdp(), new ScriptedUdp(), new ScriptedTcp()];
  const udpListener = totals.addUdp(goes.listener);
  totals.addUdp(stays.listener);
  const tcpListener = totals.addTcp(tcp.listener);
  // What is dropped and cut while it closes counts too.
  goes.beforeClosed = () => Promise.resolve(void (goes.dropped = { short: 7, response: 0 }));
  await udpListener.close();
  await udpListener.close();
  await tcpListener.close(20);
  await tcpListener.close(20);
  assert.deepEqual(tcp.graces, [20, 20]);
  const expected = {
    tcpRefused: { total: 2 },
    tcpClosed: { idle: 3 },
    udpDropped: { short: 8, response: 0 },
    udpSendErrors: {},
  };
  assert.deepEqual(totals.read(), expected);
  assert.deepEqual(totals.read(), expected, 'reading changes nothing');

  const again = new ScriptedUdp();
  totals.addUdp(again.listener);
  assert.deepEqual(totals.read().udpDropped, { short: 9, response: 0 });
});

test('a counted listener is otherwise the listener that it was', () => {
  const totals = new ListenerTotals();
  const udp = totals.addUdp(new ScriptedUdp().listener);
  const tcp = totals.addTcp(new ScriptedTcp().listener);
  assert.deepEqual([udp.address, udp.receiveBufferBytes], [address, 9]);
  assert.deepEqual([tcp.address, tcp.stats().open], [address, 5]);
});

test('the least receive buffer counts', async () => {
  const totals = new ListenerTotals();
  assert.equal(totals.receiveBufferBytes(), null);
  const [large, small] = [new ScriptedUdp(), new ScriptedUdp()];
  Object.assign(large.listener, { receiveBufferBytes: 4096 });
  totals.addUdp(large.listener);
  const counted = totals.addUdp(small.listener);
  assert.equal(totals.receiveBufferBytes(), 9);
  await counted.close();
  assert.equal(totals.receiveBufferBytes(), 4096);
});
