import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { loadNativeUdp } from '../../../src/adapters/dns/native/native-udp.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { SocketAddress } from '../../../src/core/config/config.ts';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { COUNT } from '../../../src/core/respond/counters.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { recordTexts } from '../../support/record-text.ts';
import { closedPair, isQuestion, openTcpClient, openUdpClient } from '../../support/dns-peer.ts';
import { buildMessage, readMessage, type ReadMessage } from '../../support/dns-message.ts';
import { inTime, waitUntil } from '../../support/wait-until.ts';
import {
  answerTo,
  namesAsked,
  openPlane,
  type PlaneRig,
  startUpstream,
  textOf,
  versionTable,
} from './plane-rig.ts';

const native = await loadNativeUdp();
const skipThreads = native.ok ? false : native.error;

const STOP_DEADLINE_MS = 5_000;

const outside = (name = 'outside.example.'): { qname: string } => ({ qname: name });

const answers = async (
  ...asked: Parameters<PlaneRig['ask']> extends [infer M, ...infer R]
    ? [rig: PlaneRig, message: M, ...rest: R]
    : never
): Promise<string[]> => {
  const [rig, ...rest] = asked;
  return recordTexts((await rig.ask(...rest)).answer);
};

/** Fails unless somebody else could listen there now, over UDP and TCP. */
async function assertFree({ address, port }: SocketAddress): Promise<void> {
  const udp = createSocket('udp4').bind(port, address);
  await once(udp, 'listening');
  udp.close();
  const tcp = createServer().listen(port, address);
  await once(tcp, 'listening');
  tcp.close();
}

for (const udpThreads of [0, 1, 2]) {
  const skip = udpThreads > 0 && skipThreads;
  describe(`with ${udpThreads} UDP threads`, { skip }, () => {
    const dns = { udpThreads };

    test('own names are answered over UDP and TCP', async (t) => {
      const rig = await openPlane(t, { dns });
      for (const overTcp of [false, true]) {
        assert.deepEqual(await answers(rig, { qname: 'web.mesos.' }, overTcp), ['A 10.1.0.1']);
        assert.equal((await rig.ask({ qname: 'no.mesos.' }, overTcp)).rcode, RCODE.NXDOMAIN);
        assert.equal((await rig.ask(outside(), overTcp)).rcode, RCODE.REFUSED);
      }
      const started = (): boolean => (rig.plane.udp.threadNice === null) === (udpThreads === 0);
      await waitUntil('the priority of the threads', started);
      const { threadNice } = rig.plane.udp;
      const udp = { threads: udpThreads, problem: null, restarts: 0, threadNice };
      assert.deepEqual(rig.plane.udp, udp);
      assert.equal(rig.plane.listening, true);
    });

    test('other names are looked up once, and then answered with what is left of their TTL', async (t) => {
      const upstream = await startUpstream(t);
      const forward = { upstreams: [textOf(upstream.address)] };
      const rig = await openPlane(t, { dns, forward });
      let last = 300;
      for (const overTcp of [false, false, true, false, false, true]) {
        const { answer, rcode, flags } = await rig.ask(outside(), overTcp);
        assert.deepEqual([rcode, recordTexts(answer)], [RCODE.NOERROR, ['A 203.0.113.1']]);
        assert.equal(flags & (FLAG.RA | FLAG.AA), FLAG.RA);
        const ttl = answer[0]?.ttl ?? 0;
        assert.ok(ttl <= last && ttl > 200, `${ttl}`);
        last = ttl;
      }
      assert.deepEqual(namesAsked(upstream), ['outside.example.']);
      const { misses, entries } = rig.plane.cacheStats();
      assert.deepEqual([misses, entries], [1, 1]);
    });

    test('a new generation is seen by the next query, over UDP and TCP', async (t) => {
      const rig = await openPlane(t, { dns });
      for (let version = 2; version < 40; version++) {
        rig.plane.publish(versionTable(version));
        const [udp, tcp] = await Promise.all([
          answers(rig, { qname: 'web.mesos.' }),
          answers(rig, { qname: 'web.mesos.' }, true),
        ]);
        assert.deepEqual([udp, tcp], [[`A 10.1.0.${version}`], [`A 10.1.0.${version}`]]);
      }
    });

    test('other settings count for the next query', async (t) => {
      const upstream = await startUpstream(t);
      const forward = { upstreams: [textOf(upstream.address)] };
      const rig = await openPlane(t, { dns, forward });
      for (const overTcp of [false, true]) {
        const ask = async (qname: string): Promise<number> =>
          (await rig.ask({ qname }, overTcp)).rcode;
        assert.equal(await ask('outside.example.'), RCODE.NOERROR);
        rig.configure({ forward: { ...forward, allow: ['10.0.0.0/8'] } });
        assert.equal(await ask('outside.example.'), RCODE.REFUSED);
        assert.equal(await ask('web.mesos.'), RCODE.NOERROR);
        rig.configure({ dns: { ...dns, allow: ['10.0.0.0/8'] } });
        assert.equal(await ask('web.mesos.'), RCODE.REFUSED);
        rig.configure({ forward: { enabled: false } });
        assert.equal(await ask('outside.example.'), RCODE.REFUSED);
        rig.configure({});
        assert.equal(await ask('outside.example.'), RCODE.NOERROR);
      }
      rig.configure({
        dns: { ...dns, rateLimit: { responsesPerSecond: 1, exempt: [] } },
      });
      const { address } = rig;
      const client = await openUdpClient(address);
      t.after(() => client.close());
      const flood = (id: number): void => {
        for (let i = 0; i < 8; i++) client.send(buildMessage({ id, qname: 'web.mesos.' }));
      };
      const received = (id: number): ReadMessage[] =>
        client.received.map(readMessage).filter((reply) => reply.id === id);
      flood(1);
      await waitUntil('an answer that is cut', () => received(1).some(({ tc }) => tc));
      rig.configure({});
      flood(2);
      await waitUntil('all answers', () => received(2).length === 8);
      assert.ok(received(2).every(({ tc }) => !tc));
      assert.ok(received(1).length < 8);
    });

    test('no query is lost while settings and generations change', async (t) => {
      const upstream = await startUpstream(t);
      const forward = { upstreams: [textOf(upstream.address)] };
      const rig = await openPlane(t, { dns, forward });
      let done = false;
      let asked = 0;
      const faults: string[] = [];
      const keepAsking = async (name: string, wanted: string, overTcp: boolean): Promise<void> => {
        const client = await openUdpClient(rig.address);
        t.after(() => client.close());
        for (let i = 0; !done; i++) {
          const qname = name.replace('*', `n${i}`);
          const reply = overTcp
            ? await rig.ask({ qname }, true)
            : readMessage(await client.ask(buildMessage({ qname, id: i & 0xffff })));
          asked++;
          const got = recordTexts(reply.answer).join();
          if (!got.startsWith(wanted)) faults.push(`${qname}: ${reply.rcode} ${got}`);
        }
      };
      const clients = [
        keepAsking('web.mesos.', 'A 10.1.0.', false),
        keepAsking('web.mesos.', 'A 10.1.0.', true),
        keepAsking('outside.example.', 'A 203.0.113.1', false),
        keepAsking('*.example.', 'A 203.0.113.1', false),
      ];
      const policies = ['race', 'sequential', 'round-robin'];
      for (let i = 0; i < 30; i++) {
        const before = asked;
        const allow = i % 2 === 0 ? ['127.0.0.0/8'] : ['0.0.0.0/0'];
        rig.configure({
          dns: { ...dns, rateLimit: { responsesPerSecond: 0, errorsPerSecond: i } },
          forward: { ...forward, allow, policy: policies[i % 3] },
        });
        rig.plane.publish(versionTable(i + 1));
        await waitUntil('some answers', () => asked >= before + 8);
      }
      done = true;
      await Promise.all(clients);
      assert.deepEqual(faults, []);
    });

    test('a question that waits for an upstream survives another policy', async (t) => {
      let release = (): void => undefined;
      const upstream = await startUpstream(t, (query, reply) => {
        if (!isQuestion(query)) reply(answerTo(query));
        else release = () => reply(answerTo(query));
      });
      const forward = { upstreams: [textOf(upstream.address)], policy: 'sequential' };
      const rig = await openPlane(t, { dns, forward });
      const reply = rig.ask(outside());
      await waitUntil('the question', () => namesAsked(upstream).length === 1);
      rig.configure({ forward: { ...forward, policy: 'race', timeoutSeconds: 3 } });
      await waitUntil('the end of looks for loops', () => rig.plane.inflight === 1);
      release();
      assert.equal((await reply).rcode, RCODE.NOERROR);
      await waitUntil('the end of all queries', () => rig.plane.inflight === 0);
    });

    test('what is flushed is asked for again', async (t) => {
      const upstream = await startUpstream(t);
      const forward = { upstreams: [textOf(upstream.address)] };
      const rig = await openPlane(t, { dns, forward });
      const ask = async (): Promise<number> => {
        for (let i = 0; i < 4; i++) {
          for (const name of ['a.example.', 'b.example.']) await rig.ask(outside(name));
        }
        return namesAsked(upstream).length;
      };
      assert.equal(await ask(), 2);
      assert.equal(rig.plane.flush(parseWireName('a.example.')), 1);
      assert.equal(await ask(), 3);
      assert.equal(rig.plane.flush(null), 2);
      assert.equal(await ask(), 5);
      assert.equal(rig.plane.flush(parseWireName('c.example.')), 0);
      assert.equal(await ask(), 5);
    });

    test('the stop ends in time though upstreams hang, and frees the ports', async (t) => {
      const upstream = await startUpstream(t, () => undefined);
      const forward = { upstreams: [textOf(upstream.address)], timeoutSeconds: 10 };
      const rig = await openPlane(t, { dns, forward });
      const client = await openUdpClient(rig.address);
      t.after(() => client.close());
      client.send(buildMessage(outside()));
      const idle = await openTcpClient(rig.address);
      t.after(() => idle.socket.destroy());
      await waitUntil('the question', () => namesAsked(upstream).length === 1);
      rig.configure({ forward: { ...forward, policy: 'round-robin' } });
      await inTime('the stop', rig.plane.close(200), STOP_DEADLINE_MS);
      await waitUntil('the connection ends', () => idle.ended);
      await assertFree(rig.address);
      assert.deepEqual(rig.plane.addresses(), []);
    });

    test('a start that fails frees what it has opened', async (t) => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      t.after(() => taken.close());
      const bound = taken.address();
      const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
      const free = await closedPair();
      const listen = [textOf(free), `127.0.0.1:${port}`];
      await assert.rejects(
        openPlane(t, { dns: { ...dns, listen } }),
        (error: unknown) => error instanceof DaemonError && error.code === 'listen-failed',
      );
      await assertFree(free);
    });
  });
}

describe('UDP threads', { skip: skipThreads }, () => {
  const dns = { udpThreads: 1 };

  test('answer by themselves what is asked for often, and count it', async (t) => {
    const upstream = await startUpstream(t);
    const forward = { upstreams: [textOf(upstream.address)] };
    const rig = await openPlane(t, { dns, forward });
    await rig.ask(outside());
    assert.deepEqual(rig.counted(COUNT.CACHE_HIT), [0, 0]);
    await rig.ask(outside());
    assert.deepEqual(rig.counted(COUNT.CACHE_HIT), [1, 0], 'the main thread has it');
    for (let i = 0; i < 5; i++) assert.equal((await rig.ask(outside())).answer.length, 1);
    assert.deepEqual(rig.counted(COUNT.CACHE_HIT), [1, 5], 'now the UDP thread has it, too');
    assert.equal(rig.plane.cacheStats().hotEntries, 1);
    assert.deepEqual(namesAsked(upstream), ['outside.example.']);
  });

  test('answer a wildcard from the address that was asked, both protocols', async (t) => {
    const upstream = await startUpstream(t);
    const forward = { upstreams: [textOf(upstream.address)] };
    const rig = await openPlane(t, { dns: { ...dns, listen: ['0.0.0.0:0'] }, forward });
    for (const host of ['127.0.0.2', '127.0.0.1', '127.9.9.9']) {
      for (const overTcp of [false, true]) {
        const own = await rig.ask({ qname: 'web.mesos.' }, overTcp, host);
        assert.deepEqual(recordTexts(own.answer), ['A 10.1.0.1']);
        // From the main thread at first, then from the UDP thread.
        for (let i = 0; i < 3; i++) {
          const other = await rig.ask(outside(`${host}.example.`), overTcp, host);
          assert.deepEqual(recordTexts(other.answer), ['A 203.0.113.1']);
        }
      }
    }
    assert.equal(rig.plane.addresses().length, 1);
  });

  test('answer both families on the IPv6 wildcard', async (t) => {
    const { port } = await closedPair('0.0.0.0');
    const rig = await openPlane(t, { dns: { ...dns, listen: [`[::]:${port}`] } });
    for (const host of ['::1', '127.0.0.2']) {
      for (const overTcp of [false, true]) {
        assert.deepEqual(await answers(rig, { qname: 'web.mesos.' }, overTcp, host), [
          'A 10.1.0.1',
        ]);
      }
    }
    assert.deepEqual(rig.plane.addresses(), [
      { address: '::', port },
      { address: '0.0.0.0', port },
    ]);
  });

  test('know names for special use, which give way to own zones', async (t) => {
    const upstream = await startUpstream(t);
    const forward = { upstreams: [textOf(upstream.address)] };
    const rig = await openPlane(t, { dns, forward });
    assert.equal((await rig.ask(outside('web.local.'))).rcode, RCODE.NXDOMAIN);
    rig.plane.publish(versionTable(4, 'cluster.local.'));
    assert.deepEqual(await answers(rig, { qname: 'web.cluster.local.' }), ['A 10.1.0.4']);
    assert.equal((await rig.ask(outside('web.local.'))).rcode, RCODE.NXDOMAIN);
    rig.plane.publish(versionTable(5, 'local.'));
    assert.deepEqual(await answers(rig, { qname: 'web.local.' }), ['A 10.1.0.5']);
    // A reload that moves the zone: the new table comes after the settings.
    rig.configure({});
    rig.plane.publish(versionTable(6));
    const gone = await rig.ask(outside('web.local.'));
    assert.deepEqual([gone.rcode, gone.answer], [RCODE.NXDOMAIN, []]);
    assert.deepEqual(namesAsked(upstream), []);
    assert.deepEqual(await answers(rig, { qname: 'localhost.' }), ['A 127.0.0.1']);
  });

  test('note names and sampled queries', async (t) => {
    const rig = await openPlane(t, { dns, log: { querySample: 1 } });
    await rig.ask({ qname: 'web.mesos.' });
    await rig.ask({ qname: 'web.mesos.', qtype: TYPE.SRV }, true);
    await waitUntil('the log', () => rig.logged.filter((event) => event === 'query').length === 2);
    // Names are noted for some queries only.
    for (let i = 0; i < 100; i++) await rig.ask({ qname: 'no.mesos.' });
    const { names, nxdomain } = rig.tallies.topQueries(5);
    assert.deepEqual(names.map(({ name }) => name).sort(), ['no.mesos.', 'web.mesos.']);
    assert.deepEqual(
      nxdomain.map(({ name }) => name),
      ['no.mesos.'],
    );
  });
});
