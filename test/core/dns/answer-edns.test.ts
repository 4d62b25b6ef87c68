import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../src/core/base/random.ts';
import { COOKIE, type Answerer, DROP, FORWARD, PENDING } from '../../../src/core/dns/answer.ts';
import { CLASS, EDE, FLAG, OPTION, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { ServerCookies } from '../../../src/core/guard/server-cookie.ts';
import { packets } from '../../support/arbitraries.ts';
import {
  buildMessage,
  ednsOption,
  readEdnsOptions,
  type ReadMessage,
  readMessage,
  type TestMessage,
} from '../../support/dns-message.ts';
import {
  answererOf,
  asking,
  type AskingTerms,
  clientAt,
  compileZone,
  ip,
  manyAddresses,
  TERMS,
} from '../../support/small-zone.ts';

const ZONE = compileZone((store) => {
  store.address('web.mesos.', ip('10.0.0.1'));
  for (const address of manyAddresses(100)) store.address('many.mesos.', address);
});
const COOKIES = new ServerCookies(Buffer.alloc(16, 7));
const NOW = 1_700_000_000;
const CLIENT_COOKIE = '0102030405060708';

interface Replied {
  readonly answerer: Answerer;
  readonly message: ReadMessage;
  readonly options: ReadonlyMap<number, string>;
  readonly octets: number;
}

type Finish = (answerer: Answerer) => number;

/** The reply to a packet, good questions being answered by `finish`. */
function replyTo(packet: Uint8Array, terms: AskingTerms, finish: Finish): Replied | null {
  const answerer = answererOf({ cookies: COOKIES, ...terms });
  const out = new Uint8Array(terms.overTcp === true ? 65_535 : (terms.udpPayloadSize ?? 1232));
  let length = answerer.begin(packet, packet.length, asking({ nowSeconds: NOW, ...terms }), out);
  if (length === PENDING) length = finish(answerer);
  if (length === DROP || length === FORWARD) return null;
  assert.ok(length <= answerer.replyBytesMax && length <= out.length);
  const message = readMessage(out.slice(0, length));
  assert.equal(message.trailing, 0);
  const options = readEdnsOptions(message.opt?.options ?? '');
  return { answerer, message, options, octets: length };
}

const fromZone: Finish = (answerer) => answerer.answerFrom(ZONE);

function ask(
  query: Partial<TestMessage>,
  options: readonly Uint8Array[] | null,
  terms: AskingTerms = {},
  finish: Finish = fromZone,
): Replied {
  const opt = options === null ? {} : { opt: { size: 1232, options: Buffer.concat(options) } };
  const packet = buildMessage({ qname: 'web.mesos.', ...opt, ...query });
  const reply = replyTo(packet, terms, finish);
  assert.ok(reply !== null, 'the query gets a reply');
  return reply;
}

const cookie = (hex: string): Uint8Array => ednsOption(OPTION.COOKIE, Buffer.from(hex, 'hex'));

describe('C6: server cookies', () => {
  const first = ask({}, [cookie(CLIENT_COOKIE)]);
  const given = first.options.get(OPTION.COOKIE) ?? '';

  test('a client with a cookie gets one of ours with it', () => {
    assert.equal(first.answerer.cookie, COOKIE.CLIENT_ONLY);
    assert.equal(given.length, 48);
    assert.ok(given.startsWith(`${CLIENT_COOKIE}01000000`));
    assert.equal(first.message.rcode, RCODE.NOERROR);
  });

  test('that is good when it comes back, and stays as it is for half an hour', () => {
    for (const [age, same] of [
      [0, true],
      [1800, true],
      [1801, false],
      [3600, false],
    ] as const) {
      const again = ask({}, [cookie(given)], { nowSeconds: NOW + age });
      assert.equal(again.answerer.cookie, COOKIE.VALID);
      assert.equal(again.options.get(OPTION.COOKIE) === given, same, `after ${age} s`);
    }
  });

  test('a cookie that is not ours, too old, or of another client is answered with a new one', () => {
    const others: readonly (readonly [cookie: string, terms: AskingTerms])[] = [
      [`${CLIENT_COOKIE}${'5a'.repeat(16)}`, {}],
      [`${CLIENT_COOKIE}${'5a'.repeat(8)}`, {}],
      [`${CLIENT_COOKIE}${'5a'.repeat(32)}`, {}],
      [given, { nowSeconds: NOW + 3601 }],
      [given, { client: clientAt('10.0.0.2') }],
      [given, { client: clientAt('fd00::1') }],
      [given, { cookies: new ServerCookies(Buffer.alloc(16, 8)) }],
    ];
    for (const [text, terms] of others) {
      const reply = ask({}, [cookie(text)], terms);
      assert.equal(reply.answerer.cookie, COOKIE.INVALID);
      assert.equal(reply.message.answer.length, 1, 'it is answered all the same');
      const renewed = reply.options.get(OPTION.COOKIE) ?? '';
      assert.notEqual(renewed, text);
      assert.equal(ask({}, [cookie(renewed)], terms).answerer.cookie, COOKIE.VALID);
    }
  });

  test('BADCOOKIE has a new one, and no records', () => {
    const { message, options, answerer } = ask({}, [cookie(CLIENT_COOKIE)], {}, (begun) => {
      begun.answerFrom(ZONE);
      return begun.badCookie();
    });
    assert.deepEqual([message.edns?.rcode, answerer.rcode], [RCODE.BADCOOKIE, RCODE.BADCOOKIE]);
    assert.deepEqual([message.qname, message.answer.length], ['web.mesos.', 0]);
    const again = ask({}, [cookie(options.get(OPTION.COOKIE) ?? '')]);
    assert.equal(again.answerer.cookie, COOKIE.VALID);
  });

  test('BADCOOKIE is not for clients without a cookie: they get TC', () => {
    for (const options of [[], null]) {
      const { message } = ask({}, options, {}, (begun) => begun.badCookie());
      assert.deepEqual([message.rcode, message.tc, message.answer.length], [0, true, 0]);
    }
  });

  test('there are none for clients without, and none without a secret', () => {
    assert.equal(ask({}, []).options.size, 0);
    assert.equal(ask({}, []).answerer.cookie, COOKIE.NONE);
    assert.equal(ask({}, null).message.opt, null);
    const without = ask({}, [cookie(CLIENT_COOKIE)], { cookies: null });
    assert.deepEqual([without.options.size, without.answerer.cookie], [0, COOKIE.NONE]);
  });

  test('of two the first counts (RFC 7873 §5.2)', () => {
    const { options } = ask({}, [cookie(CLIENT_COOKIE), cookie('ffff')]);
    assert.ok(options.get(OPTION.COOKIE)?.startsWith(CLIENT_COOKIE));
  });

  test('a malformed one gets FORMERR, with OPT', () => {
    for (let octets = 0; octets <= 45; octets++) {
      const { message } = ask({}, [cookie('5a'.repeat(octets))]);
      const good = octets === 8 || (octets >= 16 && octets <= 40);
      assert.equal(message.rcode, good ? RCODE.NOERROR : RCODE.FORMERR, `${octets} octets`);
      assert.ok(message.opt !== null);
    }
  });

  test('refusals have them, too', () => {
    const { options } = ask({ qtype: TYPE.AXFR }, [cookie(CLIENT_COOKIE)]);
    assert.equal(options.get(OPTION.COOKIE)?.length, 48);
  });

  test('any client gets a cookie that is good when echoed', () => {
    const bytes = fc.uint8Array({ minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(bytes, fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(3600), (own, text, age) => {
        const terms = { client: clientAt(text) };
        const { options } = ask({}, [ednsOption(OPTION.COOKIE, own)], terms);
        const echoed = cookie(options.get(OPTION.COOKIE) ?? '');
        const again = ask({}, [echoed], { ...terms, nowSeconds: NOW + age });
        assert.equal(again.answerer.cookie, COOKIE.VALID);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a query without a question (RFC 7873 §5.4)', () => {
  /** Header and OPT. */
  function cookieOnly(options: readonly Uint8Array[]): Uint8Array {
    const whole = buildMessage({
      qname: '.',
      opt: { size: 1232, options: Buffer.concat(options) },
    });
    const packet = Buffer.concat([whole.subarray(0, 12), whole.subarray(17)]);
    packet.writeUInt16BE(0, 4);
    return packet;
  }

  const askOnly = (options: readonly Uint8Array[], terms: AskingTerms = {}): Replied => {
    const reply = replyTo(cookieOnly(options), terms, () => assert.fail('there is no question'));
    assert.ok(reply !== null);
    return reply;
  };

  test('B2: with a client cookie it gets a server cookie, and nothing else', () => {
    const { message, options } = askOnly([cookie(CLIENT_COOKIE)]);
    assert.deepEqual([message.edns?.rcode, message.qname, message.answer], [0, null, []]);
    const given = options.get(OPTION.COOKIE) ?? '';
    assert.equal(askOnly([cookie(given)]).message.edns?.rcode, RCODE.NOERROR);
  });

  test('with a server cookie that is not ours it gets BADCOOKIE', () => {
    const { message } = askOnly([cookie(`${CLIENT_COOKIE}${'00'.repeat(16)}`)]);
    assert.equal(message.edns?.rcode, RCODE.BADCOOKIE);
  });

  test('B2: without a cookie, or where we have none, it is malformed', () => {
    assert.equal(askOnly([]).message.rcode, RCODE.FORMERR);
    const { message } = askOnly([cookie(CLIENT_COOKIE)], { cookies: null });
    assert.equal(message.rcode, RCODE.FORMERR);
  });
});

describe('C7: NSID (RFC 5001)', () => {
  const nsid = Buffer.from('node-7');

  test('is there for those who ask, whatever they put into it', () => {
    for (const data of [Buffer.alloc(0), Buffer.from('aabb', 'hex')]) {
      const { options } = ask({}, [ednsOption(OPTION.NSID, data)], { nsid });
      assert.equal(options.get(OPTION.NSID), nsid.toString('hex'));
    }
  });

  test('is not there for others, nor without a name', () => {
    assert.equal(ask({}, [], { nsid }).options.size, 0);
    assert.equal(ask({}, [ednsOption(OPTION.NSID)]).options.size, 0);
  });

  test('is left out where a long question leaves no room for it', () => {
    const qname = `${`${'a'.repeat(63)}.`.repeat(3)}${'a'.repeat(55)}.mesos.`;
    const query = { qname, opt: { size: 512, options: ednsOption(OPTION.NSID) } };
    const long = ask(query, null, { nsid: Buffer.alloc(255, 0x61) });
    assert.deepEqual([long.message.rcode, long.options.size], [RCODE.NXDOMAIN, 0]);
  });
});

describe('C9: tcp-keepalive (RFC 7828)', () => {
  const plain = ednsOption(OPTION.TCP_KEEPALIVE);
  const valued = ednsOption(OPTION.TCP_KEEPALIVE, Buffer.from('0064', 'hex'));

  test('says over TCP how long a connection may be idle, in tenths of a second', () => {
    for (const [tcpIdleMs, hex] of [
      [10_000, '0064'],
      [10_099, '0064'],
      [0, '0000'],
      [7_000_000, 'ffff'],
    ] as const) {
      const { options } = ask({}, [plain], { overTcp: true, tcpIdleMs });
      assert.equal(options.get(OPTION.TCP_KEEPALIVE), hex);
    }
    assert.equal(ask({}, [], { overTcp: true }).options.size, 0);
  });

  test('is ignored over UDP, with and without a value', () => {
    for (const option of [plain, valued]) {
      const { message, options } = ask({}, [option]);
      assert.deepEqual([message.answer.length, options.size], [1, 0]);
    }
  });

  test('with a value is malformed over TCP', () => {
    const { message } = ask({}, [valued], { overTcp: true });
    assert.deepEqual([message.rcode, message.answer.length], [RCODE.FORMERR, 0]);
  });
});

describe('C10: extended errors (RFC 8914)', () => {
  const failing =
    (ede: number, text: string): Finish =>
    (answerer) =>
      answerer.fail(RCODE.SERVFAIL, ede, text);
  const edeOf = (ede: number, text: string, terms: AskingTerms = {}): string | undefined =>
    ask({}, [], terms, failing(ede, text)).options.get(OPTION.EDE);

  test('say why in a code and a text', () => {
    const hex = Buffer.from('10.0.0.2:53: timeout').toString('hex');
    assert.equal(edeOf(EDE.NETWORK_ERROR, '10.0.0.2:53: timeout'), `0017${hex}`);
    assert.equal(edeOf(EDE.PROHIBITED, ''), '0012');
    assert.equal(edeOf(EDE.OTHER, 'a'), '000061');
    assert.equal(edeOf(EDE.OTHER, ''), undefined);
  });

  test('have ASCII alone', () => {
    assert.equal(edeOf(EDE.OTHER, 'é\n~'), '00003f3f7e');
  });

  test('have at most 200 octets of text', () => {
    assert.equal(edeOf(EDE.OTHER, 'x'.repeat(5000), { overTcp: true })?.length, 2 * 202);
  });

  test('go to nobody without EDNS', () => {
    const { message } = ask({}, null, {}, failing(EDE.PROHIBITED, 'no'));
    assert.deepEqual([message.rcode, message.opt], [RCODE.SERVFAIL, null]);
  });

  test('are cut to what a client takes, and left out first', () => {
    const qname = `${`${'a'.repeat(63)}.`.repeat(3)}${'a'.repeat(55)}.mesos.`;
    const all = [cookie(CLIENT_COOKIE), ednsOption(OPTION.NSID)];
    for (let nsidBytes = 150; nsidBytes < 200; nsidBytes++) {
      const reply = ask(
        { qname, opt: { size: 512, options: Buffer.concat(all) } },
        null,
        { nsid: Buffer.alloc(nsidBytes, 0x61) },
        failing(EDE.NETWORK_ERROR, 'x'.repeat(100)),
      );
      // 12 of the header, 259 of the question, 11 of OPT, 28 of the cookie, 4 before the name.
      const room = 512 - 12 - 259 - 11 - 28 - 4 - nsidBytes;
      const expected = room < 0 ? 100 : room < 6 ? undefined : Math.min(room - 6, 100);
      const ede = reply.options.get(OPTION.EDE);
      assert.equal(ede === undefined ? undefined : ede.length / 2 - 2, expected);
      assert.equal(reply.options.has(OPTION.NSID), room >= 0);
      assert.equal(reply.options.get(OPTION.COOKIE)?.length, 48);
    }
  });
});

describe('a reply that is taken back', () => {
  test('as truncated it has TC and no records, and keeps its options', () => {
    const truncating: Finish = (answerer) => {
      answerer.answerFrom(ZONE);
      return answerer.truncate();
    };
    const { message, options } = ask({}, [cookie(CLIENT_COOKIE)], {}, truncating);
    assert.equal(message.flags, FLAG.QR | FLAG.TC | FLAG.RD | FLAG.RA);
    assert.deepEqual([message.answer.length, message.qname], [0, 'web.mesos.']);
    assert.equal(options.get(OPTION.COOKIE)?.length, 48);
  });

  test('as a failure it has the flags of one', () => {
    const failing: Finish = (answerer) => {
      answerer.answerFrom(ZONE);
      return answerer.fail(RCODE.SERVFAIL, EDE.OTHER, '');
    };
    const { message } = ask({}, null, {}, failing);
    assert.equal(message.flags, FLAG.QR | FLAG.RD | FLAG.RA | RCODE.SERVFAIL);
    assert.deepEqual([message.answer.length, message.authority.length], [0, 0]);
  });
});

test('A1: RA is there for those who may use the forwarder, in failures as in answers', () => {
  for (const recursionAvailable of [true, false]) {
    for (const finish of [
      fromZone,
      (answerer: Answerer) => answerer.truncate(),
      (answerer: Answerer) => answerer.fail(RCODE.SERVFAIL, EDE.OTHER, ''),
    ]) {
      const { message } = ask({}, null, { recursionAvailable }, finish);
      assert.equal((message.flags & FLAG.RA) !== 0, recursionAvailable);
    }
  }
});

test('A15: before the first state the reason is given, with all other options', () => {
  const unready = compileZone(() => undefined, TERMS, false);
  const { options, message } = ask({}, [cookie(CLIENT_COOKIE)], {}, (answerer) =>
    answerer.answerFrom(unready),
  );
  assert.equal(message.rcode, RCODE.SERVFAIL);
  assert.equal(options.get(OPTION.EDE), '000e');
  assert.equal(options.get(OPTION.COOKIE)?.length, 48);
});

test('options take their room from the records, never more than the client takes', () => {
  const nsid = Buffer.alloc(100, 0x61);
  const all = [cookie(CLIENT_COOKIE), ednsOption(OPTION.NSID)];
  for (let size = 512; size < 700; size++) {
    const opt = { size, options: Buffer.concat(all) };
    const { message, octets } = ask({ qname: 'many.mesos.', opt }, null, { nsid });
    assert.ok(octets <= size && octets > size - 16);
    assert.ok(message.tc);
  }
});

test('whatever comes, the reply can be read, is within its limit, and has OPT iff the query had', () => {
  const random = seededRandom(5);
  const finishes: readonly Finish[] = [
    fromZone,
    (answerer) => answerer.truncate(),
    (answerer) => answerer.badCookie(),
    (answerer) => answerer.fail(RCODE.REFUSED, EDE.PROHIBITED, 'not for you'),
  ];
  const terms = fc.record({
    overTcp: fc.boolean(),
    udpPayloadSize: fc.constantFrom(512, 1232, 4096),
    nsid: fc.constantFrom(Buffer.alloc(0), Buffer.from('n'), Buffer.alloc(255, 0x61)),
    chaos: fc.constantFrom(null, { id: 'a', version: '1'.repeat(255) }),
  });
  fc.assert(
    fc.property(packets, terms, fc.constantFrom(...finishes), (packet, asked, finish) => {
      const reply = replyTo(packet, { ...asked, random }, finish);
      if (reply === null) return;
      const { message, answerer } = reply;
      assert.equal(message.id, (packet[0]! << 8) | packet[1]!);
      assert.equal(message.opt !== null, answerer.query.edns);
      assert.equal((message.flags >>> 11) & 15, (packet[2]! >>> 3) & 15);
    }),
    { numRuns: 3000 },
  );
});

describe('A14: questions of class CH (RFC 4892)', () => {
  const chaos = { id: 'node-7', version: 'hoplite 1.2' };
  const askChaos = (qname: string, qtype: number, terms: AskingTerms = { chaos }): ReadMessage =>
    ask({ qname, qtype, qclass: CLASS.CH }, null, terms, () => assert.fail('not looked up'))
      .message;
  const text = (value: string): string =>
    Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]).toString('hex');

  for (const [qname, value] of [
    ['version.bind.', chaos.version],
    ['VERSION.server.', chaos.version],
    ['id.server.', chaos.id],
    ['hostname.bind.', chaos.id],
  ] as const) {
    test(`${qname} says "${value}"`, () => {
      for (const qtype of [TYPE.TXT, TYPE.ANY]) {
        const reply = askChaos(qname, qtype);
        assert.equal(reply.flags, FLAG.QR | FLAG.AA | FLAG.RD | FLAG.RA);
        const record = { name: qname, type: TYPE.TXT, class: CLASS.CH, ttl: 0, data: text(value) };
        assert.deepEqual(reply.answer, [record]);
      }
    });
  }

  test('all else is refused', () => {
    for (const [qname, qtype, terms] of [
      ['version.bind.', TYPE.A, { chaos }],
      ['authors.bind.', TYPE.TXT, { chaos }],
      ['web.mesos.', TYPE.TXT, { chaos }],
      ['id.server.', TYPE.TXT, { chaos: { id: '', version: '1' } }],
      ['version.bind.', TYPE.TXT, { chaos: null }],
    ] as const) {
      const reply = askChaos(qname, qtype, terms);
      assert.deepEqual([reply.rcode, reply.answer.length], [RCODE.REFUSED, 0]);
    }
  });

  test('a text is cut to the 255 octets of a character-string', () => {
    const reply = askChaos('id.server.', TYPE.TXT, { chaos: { id: 'x'.repeat(300), version: '' } });
    assert.equal(reply.answer[0]?.data, text('x'.repeat(255)));
  });
});
