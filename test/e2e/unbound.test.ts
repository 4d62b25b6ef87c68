import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { SocketAddress } from '../../src/core/config/config.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import { ANY_PORT, queriesSeen, serve, type ServingCli } from '../support/cli-process.ts';
import { dig, type DigReply } from '../support/dig.ts';
import { MANY, startSmallMaster } from '../support/e2e-master.ts';
import { startUnbound } from '../support/recursive-resolver.ts';
import { missingTools } from '../support/tools.ts';

const TTL_SECONDS = 600;
const NEGATIVE_TTL_SECONDS = 300;

const shared = new SuiteCleanup();
let daemon: ServingCli;
let unbound: SocketAddress;

suite('Unbound with our zone as a stub zone', { skip: missingTools('unbound', 'dig') }, () => {
  before(start);
  after(() => shared.run());

  test('resolves a name by few questions: no letter of ours has another case', async () => {
    const before = await queriesSeen(daemon);
    const reply = await dig(unbound, 'web.shop.marathon.mesos');
    assert.deepEqual([reply.status, reply.flags], ['NOERROR', 'qr rd ra']);
    assert.deepEqual(addressesOf(reply), ['10.0.1.1', '10.0.1.2']);
    // A question per label at most. If the letters came back otherwise, it would ask three more
    // times without playing with them.
    const asked = (await queriesSeen(daemon)) - before;
    assert.ok(asked >= 1 && asked <= 4, `${asked} questions`);
  });

  test('keeps what it has learned for our TTL', async () => {
    const first = await dig(unbound, 'dual.marathon.mesos', 'AAAA');
    assert.deepEqual(addressesOf(first), ['fd00:9::5']);
    const before = await queriesSeen(daemon);
    const again = await dig(unbound, 'dual.marathon.mesos', 'AAAA');
    assert.equal(await queriesSeen(daemon), before);
    assertTtl(again.answer[0], TTL_SECONDS);
  });

  test('resolves what lies below a name that has nothing itself', async () => {
    const empty = await dig(unbound, '_tcp.marathon.mesos');
    assert.deepEqual([empty.status, empty.answer], ['NOERROR', []]);
    const srv = await dig(unbound, '_sql._dual._tcp.marathon.mesos', 'SRV');
    assert.equal(srv.answer.length, 1);
    assert.match(srv.answer[0] ?? '', /IN SRV 0 1 5432 dual-hmikp-s0\.marathon\.mesos\.$/);
  });

  test('gets a large answer over TCP', async () => {
    const reply = await dig(unbound, '+tcp', 'many.marathon.mesos');
    assert.equal(addressesOf(reply).length, MANY);
  });

  for (const [what, status, ...question] of [
    ['name', 'NXDOMAIN', 'nobody.marathon.mesos', 'A'],
    ['type', 'NOERROR', 'web.shop.marathon.mesos', 'AAAA'],
  ] as const) {
    test(`remembers that a ${what} does not exist, for the time that the SOA says`, async () => {
      const first = await dig(unbound, ...question);
      const before = await queriesSeen(daemon);
      const again = await dig(unbound, ...question);
      assert.equal(await queriesSeen(daemon), before, 'the second answer is remembered');
      for (const reply of [first, again]) {
        assert.deepEqual([reply.status, reply.answer], [status, []]);
        assert.match(reply.authority[0] ?? '', /^mesos\. \d+ IN SOA ns1\.mesos\. /);
        assertTtl(reply.authority[0], NEGATIVE_TTL_SECONDS);
      }
    });
  }
});

function addressesOf({ answer }: DigReply): string[] {
  return [...new Set(answer.map((record) => record.split(' ').at(-1) ?? ''))].sort();
}

/** What is left of `seconds` after a part of the deadlines of these tests. */
function assertTtl(record: string | undefined, seconds: number): void {
  const ttl = Number(record?.split(' ')[1]);
  assert.ok(ttl <= seconds && ttl > seconds - 60, `${record ?? 'no record'}: near ${seconds} s`);
}

async function start(): Promise<void> {
  const master = await startSmallMaster(shared);
  daemon = await serve(shared, {
    cluster: { masters: [master.text] },
    ...ANY_PORT,
    dns: { ...ANY_PORT.dns, ttlSeconds: TTL_SECONDS, negativeTtlSeconds: NEGATIVE_TTL_SECONDS },
    forward: { enabled: false },
  });
  await daemon.ready();
  const { address, port } = daemon.dns;
  unbound = await startUnbound(
    shared,
    `stub-zone:
  name: "mesos"
  stub-addr: ${address}@${port}
`,
  );
}
