import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DnsClient } from '../../../src/adapters/dns/query-handler.ts';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { formatWireName } from '../../../src/core/dns/name.ts';
import type { ForwardQuestion, Resolution } from '../../../src/core/forward/resolution.ts';
import { DnsService } from '../../../src/daemon/dns/dns-service.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import {
  extendedError,
  INSIDE,
  OUTSIDE,
  Rig,
  smallTable,
  storedAddresses,
} from '../../core/respond/responder-rig.ts';
import {
  buildMessage,
  readMessage,
  type ReadMessage,
  type TestMessage,
} from '../../support/dns-message.ts';
import { recordTexts } from '../../support/record-text.ts';
import { SETTINGS } from '../../support/small-zone.ts';

const OVER_UDP: DnsClient = { protocol: 'udp', family: 4, address: INSIDE, port: 4321 };
const OVER_TCP: DnsClient = { ...OVER_UDP, protocol: 'tcp' };

interface Asked {
  readonly question: ForwardQuestion;
  readonly client: string;
  readonly settle: (resolution: Resolution) => void;
  readonly fail: (error: Error) => void;
}

/** A service whose resolver follows a script. */
class Scripted {
  readonly clock = new ManualClock();
  /** Its responder answers; another one can take over. */
  rig = new Rig();
  readonly asked: Asked[] = [];
  readonly errors: string[] = [];
  readonly replies: Uint8Array[] = [];
  looped: readonly string[] = [];
  respond = (reply: Uint8Array): void => void this.replies.push(new Uint8Array(reply));
  readonly service: DnsService;

  constructor() {
    const nothing = (): void => undefined;
    const error = (event: string): void => void this.errors.push(event);
    this.clock.advance(50_000);
    this.service = new DnsService({
      clock: this.clock,
      log: { debug: nothing, info: nothing, warn: nothing, error },
      responder: () => {
        this.rig.nowMs = this.clock.monotonic();
        return this.rig.responder;
      },
      resolve: (question, client) =>
        new Promise((settle, fail) => this.asked.push({ question, client, settle, fail })),
      isLooped: ({ qname }) => this.looped.includes(formatWireName(qname)),
    });
  }

  /** Hands in a packet whose memory is used for something else right after. */
  ask(parts: TestMessage, client = OVER_UDP): void {
    const packet = Buffer.from(buildMessage(parts));
    this.service.handle(packet, client, (reply) => this.respond(reply));
    packet.fill(0xee);
  }

  /** Lets all promises run. */
  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** The one reply so far, once all promises have run. */
  async reply(): Promise<ReadMessage> {
    await this.settle();
    assert.equal(this.replies.length, 1);
    return readMessage(this.replies[0]!);
  }

  /** What `resolve` was asked for, by name. */
  get names(): string[] {
    return this.asked.map(({ question }) => formatWireName(question.qname));
  }
}

const replyTo = (name: string, count = 1): Resolution => ({
  kind: 'reply',
  reply: storedAddresses(name, 50, count),
  stale: false,
});

describe('own names', () => {
  test('are answered before the call returns, and no upstream hears of them', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'web.mesos.' });
    assert.equal(scripted.replies.length, 1);
    assert.deepEqual(recordTexts((await scripted.reply()).answer), ['A 10.1.0.1']);
    assert.deepEqual(scripted.asked, []);
  });

  test('come from the table of the moment: SERVFAIL until there is one', async () => {
    const scripted = new Scripted();
    scripted.rig.responder.publishTable(smallTable(false), Uint8Array.of(1));
    scripted.ask({ qname: 'web.mesos.' });
    assert.equal((await scripted.reply()).rcode, RCODE.SERVFAIL);
    scripted.rig.responder.publishTable(smallTable(), Uint8Array.of(1));
    scripted.replies.length = 0;
    scripted.ask({ qname: 'web.mesos.' });
    assert.equal((await scripted.reply()).rcode, RCODE.NOERROR);
  });

  test('are cut to what the client takes over UDP, and whole over TCP', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'many.mesos.' });
    assert.equal((await scripted.reply()).tc, true);
    assert.ok(scripted.replies[0]!.length <= 512);
    scripted.replies.length = 0;
    scripted.ask({ qname: 'many.mesos.' }, OVER_TCP);
    const { tc, answer } = await scripted.reply();
    assert.deepEqual([tc, answer.length], [false, 40]);
  });
});

describe('a client', () => {
  test('with a zone in its address is the address without it', async () => {
    const scripted = new Scripted();
    const client: DnsClient = { ...OVER_UDP, family: 6, address: 'fd00::7%eth0' };
    scripted.ask({ qname: 'outside.example.' }, client);
    assert.equal(scripted.asked.length, 1, 'it may forward');
    scripted.asked[0]?.settle(replyTo('outside.example.'));
    assert.equal((await scripted.reply()).rcode, RCODE.NOERROR);
    scripted.ask({ qname: 'outside.example.' }, { ...client, address: 'fe80::1%eth0' });
    assert.equal(scripted.asked.length, 1, 'it may not');
  });

  test('that may not forward is refused at once', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'outside.example.' }, { ...OVER_UDP, address: OUTSIDE });
    assert.equal((await scripted.reply()).rcode, RCODE.REFUSED);
    assert.deepEqual(scripted.asked, []);
  });

  test('without a question worth an answer is told that there is none', () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'web.mesos.', flags: FLAG.QR });
    assert.deepEqual(
      scripted.replies.map(({ length }) => length),
      [0],
    );
  });
});

describe('other names', () => {
  test('are resolved and answered as they were asked, though the packet is gone by then', async () => {
    const scripted = new Scripted();
    scripted.ask({ id: 77, qname: 'OutSide.example.', qtype: TYPE.A, opt: { size: 4096 } });
    const [{ question, client } = assert.fail()] = scripted.asked;
    assert.deepEqual([formatWireName(question.qname), client], ['outside.example.', INSIDE]);
    scripted.clock.advance(12);
    scripted.asked[0]?.settle(replyTo('outside.example.', 2));
    const reply = await scripted.reply();
    assert.deepEqual([reply.id, reply.qname, reply.answer.length], [77, 'OutSide.example.', 2]);
    assert.deepEqual(scripted.rig.lasted, [12]);
  });

  test('do not hold up others, and each gets its own answer', async () => {
    const scripted = new Scripted();
    scripted.ask({ id: 1, qname: 'a.example.' });
    scripted.ask({ id: 2, qname: 'b.example.', opt: { size: 1232 } }, OVER_TCP);
    scripted.ask({ id: 3, qname: 'web.mesos.' });
    assert.deepEqual(scripted.names, ['a.example.', 'b.example.']);
    scripted.asked[1]?.settle(replyTo('b.example.', 100));
    await scripted.settle();
    scripted.asked[0]?.settle(replyTo('a.example.', 100));
    await scripted.settle();
    assert.deepEqual(
      scripted.replies.map(readMessage).map(({ id, qname, tc, opt }) => [id, qname, tc, opt?.size]),
      [
        [3, 'web.mesos.', false, undefined],
        [2, 'b.example.', false, 1232],
        [1, 'a.example.', true, undefined],
      ],
    );
  });

  for (const client of [OVER_UDP, OVER_TCP]) {
    test(`say why no upstream answered, over ${client.protocol}`, async () => {
      const scripted = new Scripted();
      scripted.ask({ id: 77, qname: 'OutSide.example.', opt: { size: 1232 } }, client);
      const text = '192.0.2.1:53: timeout';
      scripted.asked[0]?.settle({ kind: 'failure', rcode: RCODE.SERVFAIL, ede: 22, text });
      const reply = await scripted.reply();
      assert.deepEqual([reply.id, reply.rcode], [77, RCODE.SERVFAIL]);
      assert.equal(extendedError(reply), `22 ${text}`);
      assert.equal(reply.qname, 'OutSide.example.');
    });
  }

  test('that an upstream asks us back get SERVFAIL, and are asked nobody', async () => {
    const scripted = new Scripted();
    scripted.looped = ['probe.example.'];
    scripted.ask({ qname: 'Probe.example.', opt: { size: 1232 } });
    const reply = await scripted.reply();
    assert.equal(reply.rcode, RCODE.SERVFAIL);
    assert.equal(extendedError(reply), '0 an upstream asks us back');
    assert.deepEqual(scripted.asked, []);
    scripted.ask({ qname: 'other.example.' });
    assert.deepEqual(scripted.names, ['other.example.']);
  });

  test('are answered with the settings of when the answer comes', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'outside.example.', opt: { size: 4096 } });
    scripted.rig = new Rig({ answer: { ...SETTINGS, udpPayloadSize: 512 }, forwards: false });
    scripted.asked[0]?.settle(replyTo('outside.example.'));
    const reply = await scripted.reply();
    assert.deepEqual([reply.rcode, reply.answer.length, reply.opt?.size], [0, 1, 512]);
    scripted.replies.length = 0;
    scripted.ask({ qname: 'outside.example.' });
    assert.equal((await scripted.reply()).rcode, RCODE.REFUSED);
  });
});

describe('an error that nobody expected', () => {
  test('in a reply that is sent later is logged, and the next query is answered', async () => {
    const scripted = new Scripted();
    const { respond } = scripted;
    scripted.respond = () => {
      throw new Error('the socket is gone');
    };
    scripted.ask({ qname: 'outside.example.' });
    scripted.asked[0]?.settle(replyTo('outside.example.'));
    await scripted.settle();
    assert.deepEqual(scripted.errors, ['dns-reply-failed']);
    scripted.respond = respond;
    scripted.ask({ qname: 'web.mesos.' });
    assert.equal((await scripted.reply()).rcode, RCODE.NOERROR);
  });

  test('of the resolver is logged', async () => {
    const scripted = new Scripted();
    scripted.ask({ qname: 'outside.example.' });
    scripted.asked[0]?.fail(new Error('broken'));
    await scripted.settle();
    assert.deepEqual(scripted.errors, ['dns-reply-failed']);
  });
});
