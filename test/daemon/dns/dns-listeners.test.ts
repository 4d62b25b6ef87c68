import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TcpListener } from '../../../src/adapters/dns/tcp-listener.ts';
import type { UdpListener } from '../../../src/adapters/dns/udp-listener.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { SocketAddress } from '../../../src/core/config/config.ts';
import { DnsListeners, isWildcard } from '../../../src/daemon/dns/dns-listeners.ts';
import { listenSockets } from '../../../src/daemon/dns/zone-addresses.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';

const RESCAN_MS = 30_000;

const at = (address: string, port = 53): SocketAddress => ({ address, port });

/** Sockets that only write down that they are open; and a node with changing addresses. */
class ScriptedSockets {
  readonly clock = new ManualClock();
  /** Such as `udp 10.0.0.1:53`. */
  readonly open = new Set<string>();
  readonly everOpened: string[] = [];
  readonly logged: string[] = [];
  changes = 0;
  readonly closedWithGraceMs: number[] = [];
  /** What `0.0.0.0` stands for. */
  node: readonly string[] = ['127.0.0.1', '10.0.0.1'];
  /** Sockets that cannot be opened, as in `open`. */
  broken: readonly string[] = [];
  /** Ports that the system chooses, in this order. */
  chosenPorts = [1_001, 1_002, 1_003];
  beforeOpen: (socket: string) => Promise<void> = () => Promise.resolve();
  expand = (address: SocketAddress): SocketAddress[] =>
    address.address === '0.0.0.0' ? this.node.map((own) => at(own, address.port)) : [address];
  /** One socket serves all addresses of a wildcard. */
  oneForAll = false;
  sockets = listenSockets;

  listeners(...listen: readonly SocketAddress[]): DnsListeners {
    const write = (event: string): void => void this.logged.push(event);
    return new DnsListeners(
      {
        clock: this.clock,
        log: { debug: write, info: write, warn: write, error: write },
        openUdp: (address) => this.#open('udp', address),
        openTcp: (address) => this.#open('tcp', address),
        expand: (address) => (this.oneForAll ? this.sockets(address) : this.expand(address)),
        reachable: (address) => this.expand(address),
        onChange: () => this.changes++,
      },
      listen,
      () => undefined,
    );
  }

  /** Lets the rescan that the clock has begun go on to its end. */
  async rescan(): Promise<void> {
    this.clock.advance(RESCAN_MS);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async #open(protocol: string, wanted: SocketAddress): Promise<UdpListener & TcpListener> {
    const port = wanted.port === 0 ? (this.chosenPorts.shift() ?? 0) : wanted.port;
    const socket = `${protocol} ${wanted.address}:${port}`;
    await this.beforeOpen(socket);
    if (this.broken.includes(socket)) throw new DaemonError('listen-failed', `${socket} is taken`);
    this.open.add(socket);
    this.everOpened.push(socket);
    const close = (graceMs = 0): Promise<void> => {
      assert.ok(this.open.delete(socket), `${socket} is closed once`);
      if (protocol === 'tcp') this.closedWithGraceMs.push(graceMs);
      return Promise.resolve();
    };
    const address = { address: wanted.address, port };
    const stats = { open: 3 };
    return { address, close, stats: () => stats } as unknown as UdpListener & TcpListener;
  }
}

/** Sockets for every address of a node, open. */
async function openWildcard(): Promise<{ sockets: ScriptedSockets; listeners: DnsListeners }> {
  const sockets = new ScriptedSockets();
  const listeners = sockets.listeners(at('0.0.0.0'));
  await listeners.open();
  return { sockets, listeners };
}

describe('DNS listeners at the start', () => {
  test('open UDP and TCP on every address', async () => {
    const sockets = new ScriptedSockets();
    const listeners = sockets.listeners(at('127.0.0.1'), at('::1', 5353));
    await listeners.open();
    assert.deepEqual(
      [...sockets.open],
      ['udp 127.0.0.1:53', 'tcp 127.0.0.1:53', 'udp ::1:5353', 'tcp ::1:5353'],
    );
    assert.deepEqual(listeners.addresses(), [at('127.0.0.1'), at('::1', 5353)]);
    assert.equal(listeners.tcpConnections(), 6);
    assert.deepEqual(
      listeners.status().map(({ protocol, address, open }) => [protocol, address, open]),
      [
        ['udp', '127.0.0.1', true],
        ['tcp', '127.0.0.1', true],
        ['udp', '::1', true],
        ['tcp', '::1', true],
      ],
    );
    assert.equal(sockets.clock.pending, 0, 'fixed addresses are not looked at again');
    await listeners.close(2_000);
    assert.deepEqual([sockets.open.size, sockets.closedWithGraceMs], [0, [2_000, 2_000]]);
    assert.deepEqual(listeners.addresses(), []);
  });

  for (const broken of ['udp 10.0.0.1:53', 'tcp 10.0.0.1:53']) {
    test(`close everything again if the configured ${broken} cannot be opened`, async () => {
      const sockets = new ScriptedSockets();
      sockets.broken = [broken];
      const listeners = sockets.listeners(at('127.0.0.9'), at('0.0.0.0'), at('10.0.0.1'));
      await assert.rejects(
        listeners.open(),
        (error: unknown) => error instanceof DaemonError && error.code === 'listen-failed',
      );
      assert.ok(sockets.everOpened.length >= 2);
      assert.deepEqual([...sockets.open], []);
      assert.equal(sockets.clock.pending, 0);
    });
  }

  test('take for port 0 one that is free for both protocols', async () => {
    const sockets = new ScriptedSockets();
    sockets.broken = ['tcp 127.0.0.1:1001', 'tcp 127.0.0.1:1002'];
    const listeners = sockets.listeners(at('127.0.0.1', 0));
    await listeners.open();
    assert.deepEqual([...sockets.open], ['udp 127.0.0.1:1003', 'tcp 127.0.0.1:1003']);
    assert.deepEqual(listeners.addresses(), [at('127.0.0.1', 1_003)]);
  });

  test('give up on port 0 after a number of tries, and leave nothing open', async () => {
    const sockets = new ScriptedSockets();
    sockets.chosenPorts = Array.from({ length: 100 }, (_, i) => 2_000 + i);
    sockets.broken = sockets.chosenPorts.map((port) => `tcp 127.0.0.1:${port}`);
    await assert.rejects(sockets.listeners(at('127.0.0.1', 0)).open(), /is taken/);
    assert.equal(sockets.everOpened.length, 20);
    assert.equal(sockets.open.size, 0);
  });

  test('do not try another port if one was asked for', async () => {
    const sockets = new ScriptedSockets();
    sockets.broken = ['tcp 127.0.0.1:53'];
    await assert.rejects(sockets.listeners(at('127.0.0.1')).open(), /is taken/);
    assert.deepEqual(sockets.everOpened, ['udp 127.0.0.1:53']);
  });
});

describe('DNS listeners on a wildcard', () => {
  test('start without an address that cannot be opened, say so and try again', async () => {
    const sockets = new ScriptedSockets();
    sockets.broken = ['tcp 127.0.0.1:53'];
    const listeners = sockets.listeners(at('0.0.0.0'));
    await listeners.open();
    assert.deepEqual(listeners.addresses(), [at('10.0.0.1')]);
    assert.deepEqual(sockets.logged, ['listener-failed']);
    assert.equal(listeners.listening, true);
    const failed = listeners.status().filter(({ open }) => !open);
    assert.deepEqual(failed, [
      { ...at('127.0.0.1'), protocol: 'udp', open: false, error: 'tcp 127.0.0.1:53 is taken' },
    ]);
    await sockets.rescan();
    assert.deepEqual([sockets.logged, sockets.changes], [['listener-failed'], 0]);
    sockets.broken = [];
    await sockets.rescan();
    assert.ok(listeners.status().every(({ open }) => open));
    assert.equal(sockets.changes, 1);
    await listeners.close(0);
  });

  test('do not start if none of its addresses can be opened', async () => {
    const sockets = new ScriptedSockets();
    sockets.broken = ['udp 127.0.0.1:53', 'tcp 10.0.0.1:53'];
    const listeners = sockets.listeners(at('::1'), at('0.0.0.0'));
    await assert.rejects(listeners.open(), /udp 127\.0\.0\.1:53 is taken/);
    assert.deepEqual([sockets.open.size, sockets.clock.pending], [0, 0]);
    assert.deepEqual(sockets.logged, []);
  });

  test('serve as long as one address is left, and not without any', async () => {
    const { sockets, listeners } = await openWildcard();
    sockets.node = ['127.0.0.1', '10.0.0.2'];
    sockets.broken = ['udp 10.0.0.2:53'];
    await sockets.rescan();
    assert.equal(listeners.listening, true);
    sockets.node = [];
    await sockets.rescan();
    assert.equal(listeners.listening, false);
    assert.deepEqual(
      listeners.status().map(({ address, open }) => [address, open]),
      [['0.0.0.0', false]],
    );
    await listeners.close(0);
  });

  test('open an address once that is configured by itself, too', async () => {
    const sockets = new ScriptedSockets();
    const listeners = sockets.listeners(at('0.0.0.0'), at('10.0.0.1'));
    await listeners.open();
    assert.equal(sockets.everOpened.length, 4);
    assert.equal(listeners.listening, true);
    await listeners.close(0);
  });

  test('report each look that changed what is served, and only those', async () => {
    const { sockets, listeners } = await openWildcard();
    await sockets.rescan();
    assert.equal(sockets.changes, 0);
    sockets.node = ['127.0.0.1', '10.0.0.2'];
    await sockets.rescan();
    assert.equal(sockets.changes, 1);
    sockets.node = ['127.0.0.1'];
    await sockets.rescan();
    assert.equal(sockets.changes, 2);
    await listeners.close(0);
  });

  test('follow the addresses of the node', async () => {
    const { sockets, listeners } = await openWildcard();
    assert.equal(sockets.open.size, 4);
    sockets.node = ['127.0.0.1', '10.0.0.2'];
    await sockets.rescan();
    assert.deepEqual(
      [...sockets.open],
      ['udp 127.0.0.1:53', 'tcp 127.0.0.1:53', 'udp 10.0.0.2:53', 'tcp 10.0.0.2:53'],
    );
    assert.deepEqual(sockets.logged, ['listener-closed', 'listener-opened']);
    assert.equal(sockets.everOpened.length, 6, 'what stays is not opened again');
    sockets.node = ['127.0.0.1', '10.0.0.1'];
    await sockets.rescan();
    assert.deepEqual(listeners.addresses(), [at('127.0.0.1'), at('10.0.0.1')]);
    await listeners.close(0);
    assert.deepEqual([sockets.open.size, sockets.clock.pending], [0, 0]);
  });

  test('serve on if a new address cannot be opened, say so once and try again', async () => {
    const { sockets, listeners } = await openWildcard();
    sockets.node = ['127.0.0.1', '10.0.0.1', '10.0.0.2'];
    sockets.broken = ['tcp 10.0.0.2:53'];
    await sockets.rescan();
    await sockets.rescan();
    assert.deepEqual(sockets.logged, ['listener-failed']);
    assert.equal(sockets.open.size, 4);
    const failed = listeners.status().filter(({ open }) => !open);
    assert.deepEqual(failed, [
      { ...at('10.0.0.2'), protocol: 'udp', open: false, error: 'tcp 10.0.0.2:53 is taken' },
    ]);
    sockets.broken = [];
    await sockets.rescan();
    assert.equal(sockets.open.size, 6);
    assert.ok(listeners.status().every(({ open }) => open));
    await listeners.close(0);
  });

  test('forget a failed address that the node has no more', async () => {
    const { sockets, listeners } = await openWildcard();
    sockets.node = ['127.0.0.1', '10.0.0.1', '10.0.0.2'];
    sockets.broken = ['udp 10.0.0.2:53'];
    await sockets.rescan();
    sockets.node = ['127.0.0.1', '10.0.0.1'];
    await sockets.rescan();
    assert.ok(listeners.status().every(({ open }) => open));
    await listeners.close(0);
  });

  test('outlive a look that fails', async () => {
    const { sockets, listeners } = await openWildcard();
    const { expand } = sockets;
    sockets.expand = () => {
      throw new Error('EMFILE');
    };
    await sockets.rescan();
    assert.deepEqual(sockets.logged, ['listener-rescan-failed']);
    assert.equal(sockets.open.size, 4);
    sockets.expand = expand;
    sockets.node = ['127.0.0.1'];
    await sockets.rescan();
    assert.equal(sockets.open.size, 2);
    await listeners.close(0);
  });

  test('leave nothing open if they are closed while an address is being opened', async () => {
    const { sockets, listeners } = await openWildcard();
    sockets.node = ['127.0.0.1', '10.0.0.1', '10.0.0.2'];
    let goOn = (): void => undefined;
    sockets.beforeOpen = () => new Promise((resolve) => (goOn = resolve));
    await sockets.rescan();
    const closed = listeners.close(0);
    sockets.beforeOpen = () => Promise.resolve();
    goOn();
    await closed;
    assert.deepEqual([...sockets.open], []);
    assert.equal(sockets.clock.pending, 0);
  });
});

describe('DNS listeners with one socket for a wildcard', () => {
  function oneForAll(): ScriptedSockets {
    const sockets = new ScriptedSockets();
    sockets.oneForAll = true;
    return sockets;
  }

  test('leave it open, and report each look that found other addresses of the node', async () => {
    const sockets = oneForAll();
    const listeners = sockets.listeners(at('0.0.0.0'));
    await listeners.open();
    await sockets.rescan();
    assert.equal(sockets.changes, 0);
    sockets.node = ['127.0.0.1', '10.0.0.2'];
    await sockets.rescan();
    assert.equal(sockets.changes, 1);
    sockets.node = [];
    await sockets.rescan();
    assert.equal(sockets.changes, 2);
    assert.equal(listeners.listening, true);
    assert.deepEqual(sockets.everOpened, ['udp 0.0.0.0:53', 'tcp 0.0.0.0:53']);
    assert.deepEqual(listeners.addresses(), [at('0.0.0.0')]);
    await listeners.close(0);
    assert.deepEqual([sockets.open.size, sockets.clock.pending], [0, 0]);
  });

  test('do not start without it', async () => {
    const sockets = oneForAll();
    sockets.broken = ['tcp 0.0.0.0:53'];
    await assert.rejects(sockets.listeners(at('0.0.0.0')).open(), /tcp 0\.0\.0\.0:53 is taken/);
    assert.deepEqual([sockets.open.size, sockets.clock.pending], [0, 0]);
  });

  test('serve :: by one socket for each family', async () => {
    const sockets = oneForAll();
    const listeners = sockets.listeners(at('::'));
    await listeners.open();
    assert.deepEqual(listeners.addresses(), [at('::'), at('0.0.0.0')]);
    await listeners.close(0);
  });

  for (const [broken, served] of [
    ['udp :::53', '0.0.0.0'],
    ['udp 0.0.0.0:53', '::'],
  ] as const) {
    test(`serve :: on a node that has only one family: ${served}`, async () => {
      const sockets = oneForAll();
      sockets.broken = [broken];
      const listeners = sockets.listeners(at('::'));
      await listeners.open();
      assert.deepEqual(listeners.addresses(), [at(served)]);
      assert.equal(listeners.listening, true);
      assert.deepEqual(sockets.logged, ['listener-failed']);
      await listeners.close(0);
    });
  }
});

test('0.0.0.0 and :: are wildcards, other addresses are not', () => {
  const wildcards = ['0.0.0.0', '::', '0::0', '127.0.0.1', '::1', '10.0.0.0'].filter((address) =>
    isWildcard(at(address)),
  );
  assert.deepEqual(wildcards, ['0.0.0.0', '::', '0::0']);
});
