import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { TYPE } from '../../src/core/dns/constants.ts';
import {
  ANY_PORT,
  fetchText,
  runCli,
  scratchFolder,
  serve,
  type ServingCli,
} from '../support/cli-process.ts';
import { dig, digText } from '../support/dig.ts';
import { buildMessage, readMessage, recordText } from '../support/dns-message.ts';
import {
  frame,
  openTcpClient,
  openUdpClient,
  openUpstream,
  type TcpClient,
  type UdpClient,
  isQuestion,
  questionsTo,
} from '../support/dns-peer.ts';
import {
  answerOutside,
  OUTSIDE,
  smallState,
  startResolver,
  startSmallMaster,
} from '../support/e2e-master.ts';
import { readProjectFile } from '../support/project.ts';
import { missingTools } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';

const NAME = 'web.shop.marathon.mesos';
const ADDRESSES = ['10.0.1.1', '10.0.1.2'];
const needsDig = { skip: missingTools('dig') };

interface Status {
  readonly ready: boolean;
  readonly source: { readonly consecutiveFailures: number };
}

async function statusOf({ url }: ServingCli): Promise<Status> {
  return JSON.parse((await fetchText(`${url}/v1/status`)).body) as Status;
}

/** What dig +short says of a name, sorted. */
async function short(daemon: ServingCli, name: string): Promise<string[]> {
  const { text } = await digText(daemon.dns, '+short', name);
  return text.trimEnd().split('\n').sort();
}

/** TTL of the answer to an A question. */
async function ttlOf(daemon: ServingCli): Promise<string | undefined> {
  return (await dig(daemon.dns, NAME)).answer[0]?.split(' ')[1];
}

/** Stops the daemon as an operator does, and checks that it says so. */
async function stop({ process }: ServingCli): Promise<void> {
  process.signal('SIGTERM');
  assert.deepEqual(await process.end(), { status: 0, signal: null }, process.stderr);
  const last = process.logged.slice(-2).map(({ event }) => event);
  assert.deepEqual([last, process.stderr], [['stopping', 'stopped'], '']);
}

suite('hoplite serve', () => {
  test('serves with the native example file', needsDig, async (t) => {
    const master = await startSmallMaster(t);
    const [upstream, corp] = [await startResolver(t), await startResolver(t)];
    const example = JSON.parse(readProjectFile('config/hoplite.example.json')) as {
      readonly dns: object;
      readonly kernel: object;
    };
    const daemon = await serve(t, {
      ...example,
      cluster: { masters: [master.text] },
      dns: { ...example.dns, listen: ['127.0.0.1:0', '127.0.0.2:0'] },
      forward: { upstreams: [upstream.text], zones: { 'example.test': [corp.text] } },
      http: { listen: '127.0.0.1:0' },
      kernel: { ...example.kernel, enabled: false },
    });
    await daemon.ready();
    assert.deepEqual(await short(daemon, NAME), ADDRESSES);
    assert.equal(await ttlOf(daemon), '5');
    assert.deepEqual(await short(daemon, OUTSIDE.name), [OUTSIDE.v4]);
    assert.deepEqual([questionsTo(corp).length, questionsTo(upstream).length], [1, 0]);
    assert.equal((await fetchText(`${daemon.url}/readyz`)).status, 200);
    await stop(daemon);
  });

  test('serves with the example file of Mesos-DNS', needsDig, async (t) => {
    const master = await startSmallMaster(t);
    const upstream = await startResolver(t);
    const daemon = await serve(t, {
      ...(JSON.parse(readProjectFile('config/mesos-dns.example.json')) as object),
      masters: [master.text],
      resolvers: [upstream.text],
      ...{ listener: '127.0.0.1', port: 0, HTTPListener: '127.0.0.1', httpport: 0 },
    });
    await daemon.ready();
    assert.deepEqual(await short(daemon, NAME), ADDRESSES);
    assert.equal(await ttlOf(daemon), '60');
    assert.deepEqual(await short(daemon, OUTSIDE.name), [OUTSIDE.v4]);
    const { status, body } = await fetchText(
      `${daemon.url}/v1/services/_web.shop._tcp.marathon.mesos.`,
    );
    assert.equal(status, 200);
    const ports = (JSON.parse(body) as { readonly port: string }[]).map(({ port }) => port);
    assert.deepEqual(ports.sort(), ['31001', '31002']);
    await stop(daemon);
  });

  test('exit 1: a port that is taken is named, with what to do', async (t) => {
    const other = await openUpstream(() => undefined);
    t.after(() => other.close());
    const { port } = other.address;
    const file = join(scratchFolder(t), 'config.json');
    const taken = `127.0.0.1:${port}`;
    for (const [message, listeners] of [
      [`cannot listen on UDP ${taken} `, { ...ANY_PORT, dns: { listen: [taken] } }],
      [`cannot serve HTTP on ${taken}: `, { ...ANY_PORT, http: { listen: taken } }],
    ] as const) {
      writeFileSync(file, JSON.stringify({ cluster: { masters: ['127.0.0.1:1'] }, ...listeners }));
      const { status, stderr } = await runCli(['serve', '-c', file]);
      assert.equal(status, 1);
      assert.ok(stderr.startsWith(`hoplite: ${message}`), stderr);
      assert.match(stderr, new RegExp(`another program .*sport = :${port}`));
    }
  });

  test(
    'answers SERVFAIL with the reason until a master comes, and forwards meanwhile',
    needsDig,
    async (t) => {
      const upstream = await startResolver(t);
      // Bound and closed again: nobody answers here yet.
      const place = await openUpstream(() => undefined);
      await place.close();
      const { address, port } = place.address;
      const daemon = await serve(t, {
        cluster: { masters: [`${address}:${port}`], pollIntervalSeconds: 0.1 },
        ...ANY_PORT,
        forward: { upstreams: [upstream.text] },
      });
      await daemon.process.logs('poll-failed');
      const early = await dig(daemon.dns, NAME);
      assert.deepEqual([early.status, early.answer], ['SERVFAIL', []]);
      assert.ok(early.opt.includes('; EDE: 14 (Not Ready)'), early.opt.join());
      assert.deepEqual(await short(daemon, OUTSIDE.name), [OUTSIDE.v4]);
      assert.equal((await fetchText(`${daemon.url}/readyz`)).status, 503);
      assert.equal((await fetchText(`${daemon.url}/healthz`)).status, 200);

      const state = JSON.stringify(smallState({ pid: `master@${address}:${port}` }));
      const master = createServer((_request, response) => response.end(state));
      t.after(() => {
        master.close();
        master.closeAllConnections();
      });
      master.listen(port, address);
      await once(master, 'listening');
      await daemon.ready();
      assert.deepEqual(await short(daemon, NAME), ADDRESSES);
      assert.equal((await fetchText(`${daemon.url}/readyz`)).status, 200);
    },
  );

  test('keeps all names when the master dies', needsDig, async (t) => {
    const master = await startSmallMaster(t);
    const daemon = await serve(t, {
      cluster: { masters: [master.text], pollIntervalSeconds: 0.1 },
      ...ANY_PORT,
      forward: { enabled: false },
    });
    await daemon.ready();
    await master.close();
    await waitUntil(
      'polls to fail',
      async () => (await statusOf(daemon)).source.consecutiveFailures >= 2,
    );
    assert.deepEqual(await short(daemon, NAME), ADDRESSES);
    assert.equal((await statusOf(daemon)).ready, true);
    assert.equal((await dig(daemon.dns, 'nobody.mesos')).status, 'NXDOMAIN');
    await stop(daemon);
  });
});

suite('SIGHUP', needsDig, () => {
  async function running(t: TestContext): Promise<[ServingCli, (ttl: number) => object]> {
    const master = await startSmallMaster(t);
    const config = (ttlSeconds: number): object => ({
      cluster: { masters: [master.text] },
      ...ANY_PORT,
      dns: { ...ANY_PORT.dns, ttlSeconds },
      forward: { enabled: false },
    });
    const daemon = await serve(t, config(7));
    await daemon.ready();
    assert.equal(await ttlOf(daemon), '7');
    return [daemon, config];
  }

  test('takes over another TTL', async (t) => {
    const [daemon, config] = await running(t);
    daemon.configure(config(77));
    daemon.process.signal('SIGHUP');
    await daemon.process.logs('reloaded');
    await waitUntil('the new TTL', async () => (await ttlOf(daemon)) === '77');
    const events = daemon.process.logged.map(({ event }) => event);
    assert.ok(!events.includes('restart-needed'), 'nothing waits for a restart');
    await stop(daemon);
  });

  test('names the listeners that need a restart, and takes over the rest', async (t) => {
    const [daemon, config] = await running(t);
    daemon.configure({
      ...config(77),
      dns: { listen: ['127.0.0.2:0'], ttlSeconds: 77 },
      http: { listen: '127.0.0.2:0' },
    });
    daemon.process.signal('SIGHUP');
    const { settings, level } = await daemon.process.logs('restart-needed');
    assert.deepEqual([settings, level], [['dns.listen', 'http.listen'], 'warn']);
    await waitUntil('the new TTL', async () => (await ttlOf(daemon)) === '77');
  });

  test('keeps what runs if the file is bad, and takes the next good one', async (t) => {
    const [daemon, config] = await running(t);
    daemon.configure({ ...config(77), dns: { ttlSeconds: -1, listen: ['here'] }, forwrad: {} });
    daemon.process.signal('SIGHUP');
    const refused = await daemon.process.logs('reload-refused');
    assert.equal(refused['problems'], 3);
    const problems = daemon.process.logged.filter(({ event }) => event === 'config-problem');
    assert.deepEqual(problems.map((line) => String(line['path'])).sort(), [
      'dns.listen[0]',
      'dns.ttlSeconds',
      'forwrad',
    ]);
    assert.equal(await ttlOf(daemon), '7');
    daemon.configure('{');
    daemon.process.signal('SIGHUP');
    await daemon.process.logs('reload-refused', 1);
    assert.equal(await ttlOf(daemon), '7');
    daemon.configure(config(77));
    daemon.process.signal('SIGHUP');
    await daemon.process.logs('reloaded');
    await waitUntil('the new TTL', async () => (await ttlOf(daemon)) === '77');
    await stop(daemon);
  });
});

suite('SIGTERM', () => {
  /** A daemon with one forwarded query over each protocol that its upstream has not answered. */
  async function busy(t: TestContext): Promise<{
    readonly daemon: ServingCli;
    /** Lets the upstream answer. */
    readonly release: () => void;
    readonly udp: UdpClient;
    readonly tcp: TcpClient;
  }> {
    const master = await startSmallMaster(t);
    const held: (() => void)[] = [];
    const upstream = await startResolver(t, (query, reply) => {
      if (isQuestion(query)) held.push(() => answerOutside(query, reply));
    });
    const daemon = await serve(t, {
      cluster: { masters: [master.text] },
      ...ANY_PORT,
      forward: { upstreams: [upstream.text], timeoutSeconds: 60 },
    });
    await daemon.ready();
    // Equal questions would wait for one answer.
    const query = (qtype: number): Uint8Array => buildMessage({ qname: `${OUTSIDE.name}.`, qtype });
    const udp = await openUdpClient(daemon.dns);
    t.after(() => udp.close());
    udp.send(query(TYPE.A));
    const tcp = await openTcpClient(daemon.dns);
    t.after(() => void tcp.socket.destroy());
    tcp.socket.write(frame(query(TYPE.AAAA)));
    await waitUntil('both queries at the upstream', () => held.length === 2);
    const release = (): void => {
      for (const answer of held) answer();
    };
    return { daemon, release, udp, tcp };
  }

  test('answers what is under way, then ends with 0', async (t) => {
    const { daemon, release, udp, tcp } = await busy(t);
    daemon.process.signal('SIGTERM');
    await daemon.process.logs('stopping');
    release();
    const overUdp = await waitUntil('the answer over UDP', () => udp.received[0]);
    const overTcp = await waitUntil('the answer over TCP', () => tcp.received[0]);
    assert.deepEqual(
      [overUdp, overTcp].map((reply) => readMessage(reply).answer.map(recordText)),
      [
        [`${OUTSIDE.name}. 300 A ${OUTSIDE.v4}`],
        [`${OUTSIDE.name}. 300 AAAA 2001:0db8:0000:0000:0000:0000:0000:0007`],
      ],
    );
    // As clients do with their answer.
    tcp.socket.end();
    assert.deepEqual(await daemon.process.end(), { status: 0, signal: null });
  });

  test('ends with 0 within 5 s if an upstream never answers', async (t) => {
    const { daemon } = await busy(t);
    const start = performance.now();
    daemon.process.signal('SIGTERM');
    assert.deepEqual(await daemon.process.end(), { status: 0, signal: null });
    assert.ok(performance.now() - start < 5_000);
  });

  for (const second of ['SIGTERM', 'SIGINT'] as const) {
    test(`a second signal (${second}) ends it at once`, async (t) => {
      const { daemon } = await busy(t);
      daemon.process.signal('SIGTERM');
      await daemon.process.logs('stopping');
      daemon.process.signal(second);
      // Had it waited for the queries, it would say `stopped` and end with 0.
      assert.deepEqual(await daemon.process.end(), { status: 1, signal: null });
      assert.ok(!daemon.process.logged.some(({ event }) => event === 'stopped'));
    });
  }

  test('SIGINT stops it as well', async (t) => {
    const master = await startSmallMaster(t);
    const daemon = await serve(t, { cluster: { masters: [master.text] }, ...ANY_PORT });
    daemon.process.signal('SIGINT');
    assert.deepEqual(await daemon.process.end(), { status: 0, signal: null });
  });
});
