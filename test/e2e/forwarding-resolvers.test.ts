import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { SocketAddress } from '../../src/core/config/config.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type ServingCli } from '../support/cli-process.ts';
import { dig, type DigReply } from '../support/dig.ts';
import { MANY, OUTSIDE } from '../support/e2e-master.ts';
import { startKnotResolver, startUnbound } from '../support/recursive-resolver.ts';
import { startSmallDaemon } from '../support/small-daemon.ts';
import { missingTools } from '../support/tools.ts';

/** Resolvers that send everything to hoplite, as one for a whole site would. */
const RESOLVERS = [
  {
    name: 'Unbound',
    tool: 'unbound',
    start: (t: SuiteCleanup, { address, port }: SocketAddress) =>
      startUnbound(t, `forward-zone:\n  name: "."\n  forward-addr: ${address}@${port}\n`),
  },
  { name: 'Knot Resolver', tool: 'kresd', start: startKnotResolver },
] as const;

const shared = new SuiteCleanup();
let daemon: ServingCli;

suite('resolvers that forward to hoplite', { skip: missingTools('dig') }, () => {
  before(async () => {
    daemon = await startSmallDaemon(shared);
  });
  after(() => shared.run());

  for (const { name, tool, start } of RESOLVERS) {
    suite(name, { skip: missingTools(tool) }, () => {
      let resolver: SocketAddress;
      before(async () => {
        resolver = await start(shared, daemon.dns);
      });

      test('gets names of the cluster', async () => {
        const reply = await dig(resolver, 'web.shop.marathon.mesos');
        assert.deepEqual([reply.status, addresses(reply)], ['NOERROR', ['10.0.1.1', '10.0.1.2']]);
        const srv = await dig(resolver, '_sql._dual._tcp.marathon.mesos', 'SRV');
        assert.equal(srv.answer.length, 1);
      });

      test('gets names outside, over us and our upstream', async () => {
        const reply = await dig(resolver, OUTSIDE.name);
        assert.deepEqual([reply.status, addresses(reply)], ['NOERROR', [OUTSIDE.v4]]);
        const missing = await dig(resolver, 'nobody.example.test');
        assert.equal(missing.status, 'NXDOMAIN');
      });

      test('gets an answer that needs TCP', async () => {
        const reply = await dig(resolver, '+tcp', 'many.marathon.mesos');
        assert.equal(addresses(reply).length, MANY);
      });

      test('learns what does not exist, and finds what is below an empty name', async () => {
        assert.equal((await dig(resolver, 'nobody.marathon.mesos')).status, 'NXDOMAIN');
        const empty = await dig(resolver, '_tcp.marathon.mesos');
        assert.deepEqual([empty.status, empty.answer], ['NOERROR', []]);
        const below = await dig(resolver, '_web.shop._tcp.marathon.mesos', 'SRV');
        assert.equal(below.answer.length, 2);
      });
    });
  }
});

function addresses({ answer }: DigReply): string[] {
  return [...new Set(answer.map((record) => record.split(' ').at(-1) ?? ''))].sort();
}
