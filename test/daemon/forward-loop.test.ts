import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Config, SocketAddress } from '../../src/core/config/config.ts';
import { RCODE } from '../../src/core/dns/constants.ts';
import { goodFiles } from '../adapters/mesos/loopback-master.ts';
import { openUdpClient } from '../support/dns-peer.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Nobody answers there; forwarded names need no cluster. */
const cluster = { masters: ['127.0.0.1:1'] };

const asking = ({ address, port }: SocketAddress) =>
  daemonConfig({ cluster, forward: { enabled: true, upstreams: [`${address}:${port}`] } });

const start = (t: TestContext): Promise<RunningDaemon> =>
  startDaemon(t, asking({ address: '127.0.0.1', port: 9 }), { unready: true });

const reload = ({ daemon }: RunningDaemon, config: Config): Promise<readonly string[]> =>
  daemon.reload(config, goodFiles(config.cluster));

async function sample(daemon: RunningDaemon, series: string): Promise<number> {
  const { body } = await daemon.http('/metrics');
  const line = body.split('\n').find((text) => text.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}

/** Upstreams that a daemon does not ask any more. */
const notAsked = (daemon: RunningDaemon): string[] =>
  daemon.logged.filter(({ event }) => event === 'upstream-loop').map(({ to }) => String(to));

const addressText = ({ address, port }: SocketAddress): string => `${address}:${port}`;

test('two daemons that are each other’s upstream notice it, and one no longer asks the other', async (t) => {
  const [first, second] = [await start(t), await start(t)];
  await reload(first, asking(second.dns));
  await reload(second, asking(first.dns));
  await waitUntil('the loop is found', () => notAsked(first).length + notAsked(second).length > 0);
  const [found, other] = notAsked(first).length > 0 ? [first, second] : [second, first];
  assert.deepEqual(notAsked(found), [addressText(other.dns)]);
  assert.match(found.status().reasons.join(), /sends our questions back to us/);
  const startedAt = performance.now();
  for (const overTcp of [false, true]) {
    const reply = await first.ask(`outside-${String(overTcp)}.example.`, 1, { overTcp });
    assert.ok([RCODE.SERVFAIL, RCODE.REFUSED].includes(reply.rcode as 2 | 5), `${reply.rcode}`);
  }
  // Far less than one upstream's time-out of 2 s.
  assert.ok(performance.now() - startedAt < 1_500);
});

test('a daemon that is its own upstream does not ask itself, and does not end', async (t) => {
  const daemon = await start(t);
  await reload(daemon, asking(daemon.dns));
  await waitUntil('the loop is found', () => notAsked(daemon).length > 0);
  assert.deepEqual(notAsked(daemon), [addressText(daemon.dns)]);
  const reply = await daemon.ask('outside.example.');
  assert.equal(reply.rcode, RCODE.REFUSED);
});

test('the metrics show what the listeners dropped, refused and closed', async (t) => {
  const daemon = await start(t);
  const short = 'hoplite_dns_udp_dropped_total{reason="short"}';
  const closed = 'hoplite_dns_tcp_closed_total{reason="client"}';
  assert.equal(await sample(daemon, short), 0);
  assert.equal(await sample(daemon, 'hoplite_dns_tcp_refused_total{reason="per-client"}'), 0);
  const client = await openUdpClient(daemon.dns);
  t.after(() => client.close());
  client.send(new Uint8Array(3));
  await waitUntil('the datagram is counted', async () => (await sample(daemon, short)) === 1);
  await daemon.ask('mesos.', 6, { overTcp: true });
  await waitUntil('the end is counted', async () => {
    const ended = await sample(daemon, closed);
    const reset = await sample(daemon, 'hoplite_dns_tcp_closed_total{reason="reset"}');
    return ended + reset === 1;
  });
});
