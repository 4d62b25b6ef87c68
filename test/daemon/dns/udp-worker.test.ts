import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { systemClock } from '../../../src/adapters/clock.ts';
import { loadNativeUdp } from '../../../src/adapters/dns/native/native-udp.ts';
import type { QueryHandler } from '../../../src/adapters/dns/query-handler.ts';
import { parsePrefix } from '../../../src/core/base/prefix.ts';
import type { Prefix } from '../../../src/core/base/prefix.ts';
import { FLAG, RCODE } from '../../../src/core/dns/constants.ts';
import { HotReplies } from '../../../src/core/forward/hot-replies.ts';
import type { Log, QueryRecord } from '../../../src/core/ports.ts';
import { DnsCounters } from '../../../src/core/respond/counters.ts';
import { CHOSEN, SampleControl } from '../../../src/core/respond/query-sample.ts';
import type { ResponderSettings } from '../../../src/core/respond/responder.ts';
import { TopNames } from '../../../src/core/respond/top-names.ts';
import { UdpThreads } from '../../../src/daemon/dns/udp-threads.ts';
import { UDP_NICE } from '../../../src/daemon/dns/udp-worker-protocol.ts';
import { buildMessage, readMessage } from '../../support/dns-message.ts';
import type { ReadMessage } from '../../support/dns-message.ts';
import { openUdpClient, until } from '../../support/dns-peer.ts';
import { compileZone, ip, SETTINGS } from '../../support/small-zone.ts';

const native = await loadNativeUdp();
const skip = native.ok ? false : native.error;

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== null);
  return parsed;
}

const settings: ResponderSettings = {
  answer: SETTINGS,
  cookieSecret: new Uint8Array(16),
  allow: [prefix('127.0.0.0/8')],
  rateLimit: { responsesPerSecond: 0, errorsPerSecond: 0, exempt: [] },
  recursionAvailable: true,
  forwards: true,
  forwardAllow: [prefix('127.0.0.0/8')],
  trusted: [],
  specialZones: null,
};

interface Opened {
  readonly threads: UdpThreads;
  readonly top: TopNames;
  readonly records: readonly (QueryRecord & { readonly reason: number })[];
  readonly ask: (qname: string) => Promise<ReadMessage>;
}

/** What the main thread answers has REFUSED, so that it shows. */
const refuse: QueryHandler = (message, _client, respond) => {
  const response = Uint8Array.from(message);
  response[2] = FLAG.QR >>> 8;
  response[3] = RCODE.REFUSED;
  respond(response);
};

async function open(t: TestContext): Promise<Opened> {
  assert.ok(native.ok);
  const fail = (event: string): never => assert.fail(event);
  // Where the tests run as an ordinary user.
  const info = (event: string): void => assert.equal(event, 'udp-priority-refused');
  const log: Log = { debug: fail, info, warn: fail, error: fail };
  const top = new TopNames(systemClock.monotonic());
  const sample = SampleControl.create();
  new SampleControl(sample).sample(1);
  const records: (QueryRecord & { readonly reason: number })[] = [];
  const threads = new UdpThreads({
    native: native.value,
    clock: systemClock,
    random: Math.random,
    log,
    memories: [{ counters: DnsCounters.create(), names: top.addThread(), sample }],
    onPrefetch: () => undefined,
    onQuery: (record, reason) => records.push({ ...record, reason }),
  });
  t.after(() => threads.stop());
  const listener = threads.open({ address: '127.0.0.1', port: 0 }, refuse);
  threads.start();
  const client = await openUdpClient(listener.address);
  t.after(() => client.close());
  const ask = async (qname: string): Promise<ReadMessage> =>
    readMessage(await client.ask(buildMessage({ qname, flags: FLAG.RD })));
  return { threads, top, records, ask };
}

function publishTable(threads: UdpThreads, address: string): void {
  const table = compileZone((store) => store.address('web.mesos.', ip(address)));
  threads.publish({ kind: 'table', table: table.shared, zoneSlots: Uint8Array.of(1) });
}

function publishAll(threads: UdpThreads): void {
  threads.publish({ kind: 'settings', settings });
  threads.publish({ kind: 'replies', buffer: HotReplies.create(65_536) });
  publishTable(threads, '10.0.0.1');
}

test(
  'a thread that nothing was published to hands everything to the main thread',
  { skip },
  async (t) => {
    const { threads, ask } = await open(t);
    assert.equal((await ask('web.mesos.')).rcode, RCODE.REFUSED);
    publishAll(threads);
    assert.equal((await ask('web.mesos.')).rcode, RCODE.NOERROR);
  },
);

test(
  'each published table is answered from by the next query, through many of them',
  { skip },
  async (t) => {
    const { threads, ask } = await open(t);
    publishAll(threads);
    for (let i = 1; i <= 30; i++) {
      publishTable(threads, `10.0.0.${i}`);
      const { answer } = await ask('web.mesos.');
      assert.deepEqual(
        answer.map(({ data }) => data),
        [`0a0000${i.toString(16).padStart(2, '0')}`],
      );
    }
  },
);

test(
  'other names are for the main thread, unless the settings refuse them',
  { skip },
  async (t) => {
    const { threads, ask } = await open(t);
    publishAll(threads);
    const forwarded = await ask('www.example.');
    assert.deepEqual([forwarded.rcode, forwarded.flags & FLAG.RD], [RCODE.REFUSED, 0]);
    threads.publish({ kind: 'settings', settings: { ...settings, forwards: false } });
    const refused = await ask('www.example.');
    assert.deepEqual([refused.rcode, refused.flags & FLAG.RD], [RCODE.REFUSED, FLAG.RD]);
    assert.equal((await ask('web.mesos.')).answer.length, 1);
  },
);

test('queries that are chosen for the log come to the main thread', { skip }, async (t) => {
  const { threads, records, ask, top } = await open(t);
  publishAll(threads);
  await ask('Web.mesos.');
  await until(() => records.length === 1, 'the record');
  const [record] = records;
  assert.ok(record);
  assert.deepEqual(
    [record.name, record.type, record.client, record.protocol, record.reason],
    ['web.mesos.', 'A', '127.0.0.1', 'udp', CHOSEN.SAMPLED],
  );
  assert.deepEqual(
    top.read(1, systemClock.monotonic()).names.map(({ name }) => name),
    ['web.mesos.'],
  );
});

/** Nice values of all threads of this process by thread id (proc_pid_stat(5), field 19). */
function niceValues(): Map<string, number> {
  const values = new Map<string, number>();
  for (const thread of readdirSync('/proc/self/task')) {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    assert.match(state ?? '', /^[A-Z]$/);
    values.set(thread, Number(fields[15]));
  }
  return values;
}

test('a UDP thread goes before all others, and it alone', { skip }, async (t) => {
  const usual = niceValues().get(String(process.pid));
  const { threads, ask } = await open(t);
  await until(() => threads.nice !== null, 'the report of the thread');
  if (threads.nice !== UDP_NICE) {
    t.skip('this needs CAP_SYS_NICE or `ulimit -e 35`');
    return;
  }
  publishAll(threads);
  assert.equal((await ask('web.mesos.')).rcode, RCODE.NOERROR);
  const later = new Worker('setTimeout(() => undefined, 60_000)', { eval: true });
  t.after(() => later.terminate());
  await once(later, 'online');
  const values = [...niceValues().values()];
  assert.equal(values.filter((nice) => nice === UDP_NICE).length, 1);
  assert.deepEqual(new Set(values), new Set([usual, UDP_NICE]));
});
