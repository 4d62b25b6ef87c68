import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DnsClient } from '../../src/adapters/dns/query-handler.ts';
import { RejectionList } from '../../src/core/base/rejection.ts';
import type { SocketAddress } from '../../src/core/config/config.ts';
import { FLAG, RCODE, TYPE } from '../../src/core/dns/constants.ts';
import { ForwardZones } from '../../src/core/dns/forward-zones.ts';
import { nextGeneration, unreadyTable } from '../../src/core/generation.ts';
import { parseState } from '../../src/core/mesos/parse-state.ts';
import type { DnsObservation } from '../../src/core/ports.ts';
import { zoneSettings } from '../../src/core/views/zone-view.ts';
import { DnsService, type Forwarding } from '../../src/daemon/dns-service.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import {
  addressRecords,
  buildMessage,
  readMessage,
  type TestMessage,
} from '../support/dns-message.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { recordTexts } from '../support/record-text.ts';
import { clusterState, framework, task } from '../support/scripted-master.ts';
import { gate } from './scripted-poller.ts';

const ZONE = zoneSettings(daemonConfig({ cluster: { masters: ['10.0.0.9:5050'] } }), []);
const SETTINGS = { udpPayloadSize: 1232, recursionAvailable: true, truncateBit: true };
const OVER_UDP: DnsClient = { protocol: 'udp', family: 4, address: '192.0.2.7', port: 4321 };
const OVER_TCP: DnsClient = { ...OVER_UDP, protocol: 'tcp' };
const FIRST: SocketAddress = { address: '192.0.2.53', port: 53 };
const CONSUL: SocketAddress = { address: '192.0.2.86', port: 8600 };

function tableOf(...names: readonly string[]) {
  const frameworks = [
    framework(
      'marathon',
      names.map((name) => task(name)),
    ),
  ];
  const state = JSON.stringify(clusterState({ pid: 'master@10.0.0.9:5050' }, { frameworks }));
  const rejections = new RejectionList();
  const parsed = parseState(state, rejections);
  assert.ok(parsed.ok);
  return nextGeneration(null, { snapshot: parsed.value, rejections }, new Map(), ZONE, 1).table;
}

const READY = tableOf('web');
const UNREADY = unreadyTable(ZONE);

interface Forwarded {
  readonly query: Uint8Array;
  readonly upstreams: readonly SocketAddress[];
  readonly protocol: string;
  readonly replyBytesMax: number;
  readonly reply: (message: Uint8Array) => void;
  readonly fail: () => void;
}

/** A service that forwards to a script. */
class Scripted {
  readonly clock = new ManualClock();
  readonly forwarded: Forwarded[] = [];
  readonly observed: DnsObservation[] = [];
  readonly errors: string[] = [];
  readonly replies: Uint8Array[] = [];
  table = READY;
  observe = (observation: DnsObservation): void => void this.observed.push(observation);
  readonly service: DnsService;

  constructor(forwarding: Partial<Forwarding> = {}) {
    const nothing = (): void => undefined;
    this.service = new DnsService(
      {
        clock: this.clock,
        random: () => 0,
        log: {
          debug: nothing,
          info: nothing,
          warn: nothing,
          error: (event) => this.errors.push(event),
        },
        table: () => this.table,
        forward: (query, upstreams, protocol, replyBytesMax) =>
          new Promise((resolve, reject) => {
            const fail = (): void => reject(new Error('nobody answered'));
            this.forwarded.push({
              query,
              upstreams,
              protocol,
              replyBytesMax,
              reply: resolve,
              fail,
            });
          }),
        observe: (observation) => this.observe(observation),
      },
      SETTINGS,
      Scripted.forwarding(forwarding),
    );
  }

  static forwarding(parts: Partial<Forwarding> = {}): Forwarding {
    return {
      enabled: true,
      zones: new ForwardZones([{ zone: 'consul', upstreams: [CONSUL] }]),
      upstreams: () => [FIRST],
      ...parts,
    };
  }

  /** Hands in a packet whose memory is used for something else right after. */
  handle(message: Uint8Array, client = OVER_UDP): void {
    const packet = Buffer.from(message);
    this.service.handle(packet, client, (reply) => this.replies.push(new Uint8Array(reply)));
    packet.fill(0xee);
  }

  ask(parts: TestMessage, client = OVER_UDP): void {
    this.handle(buildMessage(parts), client);
  }

  /** Lets all promises run. */
  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** The one reply so far, once all promises have run. */
  async reply() {
    await this.settle();
    assert.equal(this.replies.length, 1);
    return readMessage(this.replies[0]!);
  }
}

describe('own names', () => {
  test('are answered at once, and observed with their zone, sizes and times', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'web.marathon.mesos.' });
    assert.equal(scripted.replies.length, 1, 'before the call returns');
    const reply = await scripted.reply();
    assert.deepEqual(recordTexts(reply.answer), ['A 10.0.0.1']);
    assert.deepEqual(scripted.observed, [
      {
        protocol: 'udp',
        family: 4,
        zone: 'mesos.',
        qtype: TYPE.A,
        rcode: RCODE.NOERROR,
        requestBytes: 36,
        responseBytes: 52,
        durationMs: 0,
      },
    ]);
    assert.deepEqual(scripted.forwarded, []);
  });

  test('come from the table of the moment', async () => {
    const scripted = new Scripted();
    scripted.table = UNREADY;
    scripted.ask({ qname: 'api.marathon.mesos.' });
    assert.equal((await scripted.reply()).rcode, RCODE.SERVFAIL);
    scripted.table = tableOf('api');
    scripted.replies.length = 0;
    scripted.ask({ qname: 'api.marathon.mesos.' });
    assert.equal((await scripted.reply()).rcode, RCODE.NOERROR);
    assert.deepEqual(
      scripted.observed.map(({ zone, rcode }) => [zone, rcode]),
      [
        ['mesos.', RCODE.SERVFAIL],
        ['mesos.', RCODE.NOERROR],
      ],
    );
  });

  test('and refusals that no zone answers are observed under the root', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'web.marathon.mesos.', qclass: 3 });
    assert.equal((await scripted.reply()).rcode, RCODE.REFUSED);
    assert.deepEqual(
      scripted.observed.map(({ zone }) => zone),
      ['.'],
    );
  });

  test('and the response code is observed whole, BADVERS of EDNS included', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'web.marathon.mesos.', opt: { size: 1232, version: 1 } });
    scripted.ask({ qname: 'web.marathon.mesos.', qtype: TYPE.SRV });
    await scripted.settle();
    assert.deepEqual(
      scripted.observed.map(({ qtype, rcode }) => [qtype, rcode]),
      [
        [TYPE.A, RCODE.BADVERS],
        [TYPE.SRV, RCODE.NOERROR],
      ],
    );
  });

  test('and a query without a readable question is observed without the type of the last one', () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'web.marathon.mesos.', qtype: TYPE.SRV });
    const header = new Uint8Array(12);
    scripted.handle(header);
    assert.deepEqual(
      scripted.observed.map(({ qtype, rcode }) => [qtype, rcode]),
      [
        [TYPE.SRV, RCODE.NOERROR],
        [0, RCODE.FORMERR],
      ],
    );
  });
});

describe('what is no query', () => {
  test('never comes here: listeners keep responses and less than a header', () => {
    const scripted = new Scripted();
    const notQueries = [buildMessage({ qname: 'a.', flags: FLAG.QR }), new Uint8Array(11)];
    for (const message of notQueries) assert.throws(() => scripted.handle(message), /queries only/);
    assert.deepEqual([scripted.replies, scripted.observed, scripted.forwarded], [[], [], []]);
  });
});

describe('other names', () => {
  test('go to the upstreams as they came, though the packet is gone by then', async () => {
    const scripted = new Scripted();
    const query = buildMessage({ qname: 'OutSide.example.', opt: { size: 4096 } });
    scripted.handle(query);
    await scripted.settle();
    const [forwarded] = scripted.forwarded;
    assert.ok(forwarded !== undefined);
    assert.deepEqual(forwarded.query, query);
    assert.deepEqual([forwarded.upstreams, forwarded.protocol], [[FIRST], 'udp']);
    scripted.clock.advance(12);
    const qname = 'OutSide.example.';
    forwarded.reply(buildMessage({ qname, flags: FLAG.QR, answer: addressRecords(qname, 2) }));
    assert.equal((await scripted.reply()).answer.length, 2);
    const [{ zone, durationMs, requestBytes } = {}] = scripted.observed;
    assert.deepEqual([zone, durationMs, requestBytes], ['.', 12, query.length]);
  });

  test('are observed with their own type and the response code of the upstream', async () => {
    const scripted = new Scripted();
    const qname = 'outside.example.';
    scripted.ask({ qname, qtype: TYPE.SRV });
    await scripted.settle();
    scripted.ask({ qname: 'web.marathon.mesos.', opt: { size: 1232, version: 1 } });
    const flags = FLAG.QR | RCODE.NXDOMAIN;
    scripted.forwarded[0]?.reply(buildMessage({ qname, qtype: TYPE.SRV, flags }));
    await scripted.settle();
    assert.deepEqual(
      scripted.observed.map(({ qtype, rcode }) => [qtype, rcode]),
      [
        [TYPE.A, RCODE.BADVERS],
        [TYPE.SRV, RCODE.NXDOMAIN],
      ],
    );
  });

  test('of a forward zone go to its upstreams, on a label boundary and in any case', async () => {
    const scripted = new Scripted();
    for (const qname of ['web.CONSUL.', 'consul.', 'notconsul.', 'consul.example.']) {
      scripted.ask({ qname });
    }
    await scripted.settle();
    assert.deepEqual(
      scripted.forwarded.map(({ upstreams }) => upstreams[0]),
      // Those of a zone are known at once, the default ones in the next turn.
      [CONSUL, CONSUL, FIRST, FIRST],
    );
  });

  test('may come back as long as the client and we can take', async () => {
    const scripted = new Scripted();
    const qname = 'outside.example.';
    scripted.ask({ qname });
    scripted.ask({ qname, opt: { size: 800 } });
    scripted.ask({ qname, opt: { size: 4096 } });
    scripted.ask({ qname, opt: { size: 100 } });
    scripted.ask({ qname }, OVER_TCP);
    await scripted.settle();
    assert.deepEqual(
      scripted.forwarded.map(({ protocol, replyBytesMax }) => [protocol, replyBytesMax]),
      [
        ['udp', 512],
        ['udp', 800],
        ['udp', 1232],
        ['udp', 512],
        ['tcp', 65_535],
      ],
    );
  });

  test('wait for upstreams that have to be looked up first', async () => {
    const lookup = gate();
    const upstreams = lookup.pass().then(() => [FIRST]);
    const scripted = new Scripted({ upstreams: () => upstreams });
    const query = buildMessage({ qname: 'outside.example.' });
    scripted.handle(query);
    // Another question in the meantime must not change where and how the first one goes.
    scripted.ask({ qname: 'web.marathon.mesos.', opt: { size: 4096 } });
    await scripted.settle();
    assert.equal(scripted.forwarded.length, 0);
    lookup.open();
    await scripted.settle();
    const [forwarded] = scripted.forwarded;
    assert.deepEqual(forwarded?.query, query);
    assert.equal(forwarded.replyBytesMax, 512);
  });

  const refusals: readonly (readonly [why: string, Partial<Forwarding>])[] = [
    ['forwarding is off', { enabled: false }],
    ['there is no upstream', { upstreams: () => [] }],
    ['there is no upstream, as found out', { upstreams: () => Promise.resolve([]) }],
  ];
  for (const [why, forwarding] of refusals) {
    test(`are REFUSED with extended error 18 if ${why}`, async () => {
      const scripted = new Scripted(forwarding);
      scripted.ask({ qname: 'OutSide.example.', opt: { size: 1232 } });
      const reply = await scripted.reply();
      assert.equal(reply.rcode, RCODE.REFUSED);
      assert.equal(reply.flags & (FLAG.AA | FLAG.RA | FLAG.RD), FLAG.RD);
      assert.equal(reply.opt?.options, '000f00020012');
      assert.equal(reply.qname, 'OutSide.example.');
      assert.deepEqual(scripted.forwarded, []);
    });
  }

  test('of a forward zone are REFUSED too if forwarding is off', async () => {
    const scripted = new Scripted({ enabled: false });
    scripted.ask({ qname: 'web.consul.' });
    assert.equal((await scripted.reply()).rcode, RCODE.REFUSED);
  });

  for (const client of [OVER_UDP, OVER_TCP]) {
    test(`are SERVFAIL with extended error 22 if no upstream answers, over ${client.protocol}`, async () => {
      const scripted = new Scripted();
      scripted.ask({ id: 77, qname: 'OutSide.example.', opt: { size: 1232 } }, client);
      await scripted.settle();
      scripted.forwarded[0]?.fail();
      const reply = await scripted.reply();
      assert.deepEqual([reply.id, reply.rcode], [77, RCODE.SERVFAIL]);
      assert.equal(reply.flags & (FLAG.AA | FLAG.RA | FLAG.RD), FLAG.RD);
      assert.equal(reply.opt?.options, '000f00020016');
      assert.equal(reply.qname, 'OutSide.example.');
      assert.deepEqual(
        scripted.observed.map(({ zone, rcode }) => [zone, rcode]),
        [['.', RCODE.SERVFAIL]],
      );
    });
  }

  test('are SERVFAIL if the upstreams cannot be found out', async () => {
    const scripted = new Scripted({ upstreams: () => Promise.reject(new Error('no file')) });
    scripted.ask({ qname: 'outside.example.' });
    assert.equal((await scripted.reply()).rcode, RCODE.SERVFAIL);
  });

  test('are answered once, even if counting the answer fails', async () => {
    const scripted = new Scripted();
    scripted.observe = () => {
      throw new Error('the metrics are broken');
    };
    scripted.ask({ qname: 'outside.example.' });
    await scripted.settle();
    scripted.forwarded[0]?.reply(buildMessage({ qname: 'outside.example.', flags: FLAG.QR }));
    await scripted.reply();
    assert.deepEqual(scripted.errors, ['dns-reply-failed']);
  });
});

describe('another configuration', () => {
  test('counts for the next question; questions under way end as they began', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'outside.example.', opt: { size: 4096 } });
    const settings = { udpPayloadSize: 512, recursionAvailable: false, truncateBit: true };
    await scripted.settle();
    scripted.service.configure(settings, Scripted.forwarding({ enabled: false }));
    await scripted.settle();
    scripted.forwarded[0]?.reply(buildMessage({ qname: 'outside.example.', flags: FLAG.QR }));
    assert.equal((await scripted.reply()).rcode, RCODE.NOERROR);
    scripted.replies.length = 0;
    scripted.ask({ qname: 'outside.example.', opt: { size: 4096 } });
    const refused = await scripted.reply();
    assert.deepEqual([refused.rcode, refused.opt?.size], [RCODE.REFUSED, 512]);
    scripted.replies.length = 0;
    scripted.ask({ qname: 'web.marathon.mesos.' });
    assert.equal((await scripted.reply()).flags & FLAG.RA, 0);
  });
});
