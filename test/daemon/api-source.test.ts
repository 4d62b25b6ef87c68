import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SocketAddress } from '../../src/core/config/config.ts';
import { formatWireName } from '../../src/core/dns/name.ts';
import { ForwardZones } from '../../src/core/dns/forward-zones.ts';
import { compileSpecialZones } from '../../src/core/forward/special-zones.ts';
import type { ApiSource, ViewRequest } from '../../src/core/ports.ts';
import { createApiSource } from '../../src/daemon/api-source.ts';
import { DnsTallies } from '../../src/daemon/dns/dns-tallies.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { compileZone, ip } from '../support/small-zone.ts';
import { STATUS, TOP } from '../adapters/http/test-api.ts';

const TABLE = compileZone((store) => {
  store.address('web.mesos.', ip('10.1.0.1'));
  store.address('web.mesos.', ip('fd00::1'));
  store.service('_web._tcp.mesos.', 'web.mesos.', 8080);
  store.pointer('1.0.1.10.in-addr.arpa.', 'web.mesos.');
});
const SPECIAL = compileSpecialZones(
  { specialNames: 'local', privateReverse: 'local' },
  [],
  ['mesos.'],
);
const CONSUL: SocketAddress = { address: '10.0.0.3', port: 8600 };

interface Given {
  readonly forward?: object;
  readonly upstreams?: readonly SocketAddress[];
}

/** A source over a small table; `flushed` are names whose answers were thrown away. */
function sourceOf({ forward = { enabled: true }, upstreams }: Given = {}): {
  readonly source: ApiSource;
  readonly views: ViewRequest[];
  readonly flushed: (string | null)[];
} {
  const views: ViewRequest[] = [];
  const flushed: (string | null)[] = [];
  const zones = [{ zone: 'consul', upstreams: [CONSUL] }];
  const known = upstreams ?? [{ address: '10.0.0.2', port: 53 }];
  const source = createApiSource({
    config: () => daemonConfig({ cluster: { masters: ['10.0.0.9'] }, forward }),
    status: () => STATUS,
    table: () => TABLE,
    view(request) {
      views.push(request);
      return Promise.resolve(`the view ${request.kind}`);
    },
    dns: {
      forwardZones: new ForwardZones(zones),
      specialZones: SPECIAL,
      currentUpstreams: () => known,
      flush(qname) {
        flushed.push(qname === null ? null : formatWireName(qname));
        return 7;
      },
    },
    tallies: {
      topQueries: (n) => ({ ...TOP, names: TOP.names.slice(0, n) }),
      logQueries: () => null,
    },
  });
  return { source, views, flushed };
}

async function explained(name: string, given: Given = {}): Promise<unknown[]> {
  const { source, views } = sourceOf(given);
  const text = await source.view({ kind: 'explain', name });
  assert.deepEqual(views, [], 'nobody else has to know');
  const explanation = JSON.parse(text) as Record<string, unknown>;
  return [explanation['name'], explanation['outcome'], explanation['forwardedTo']];
}

describe('what the API says', () => {
  test('of hosts and services is in the table', () => {
    const { source } = sourceOf();
    assert.deepEqual(source.hosts('web.mesos'), [
      { host: 'web.mesos.', ip: '10.1.0.1' },
      { host: 'web.mesos.', ip: 'fd00::1' },
    ]);
    const [service] = source.services('_web._tcp.mesos');
    assert.deepEqual([service?.host, service?.port], ['web.mesos.', 8080]);
    assert.equal(source.status(), STATUS);
  });

  test('of a name of ours, or of none, the worker explains', async () => {
    const { source, views } = sourceOf();
    for (const name of ['web.mesos', 'no.mesos', 'a..b', '1.0.1.10.in-addr.arpa']) {
      assert.equal(await source.view({ kind: 'explain', name }), 'the view explain');
    }
    assert.equal(await source.view({ kind: 'records' }), 'the view records');
    assert.equal(views.length, 5);
  });

  test('of another name is where it is forwarded to', async () => {
    assert.deepEqual(await explained('Example.COM'), [
      'example.com.',
      'forwarded by the default rule',
      ['10.0.0.2:53'],
    ]);
    assert.deepEqual(await explained('web.consul'), [
      'web.consul.',
      'forwarded by the zone consul rule',
      ['10.0.0.3:8600'],
    ]);
  });

  test('of a name for special use is that it goes nowhere', async () => {
    for (const name of ['db.localhost', '7.1.168.192.in-addr.arpa']) {
      const [, outcome, forwardedTo] = await explained(name);
      assert.match(String(outcome), /^answered here: a name for special use/);
      assert.deepEqual(forwardedTo, []);
    }
    const [, off] = await explained('localhost', { forward: { enabled: false } });
    assert.equal(off, 'refused: forwarding is turned off');
  });

  test('of another name is why it is refused', async () => {
    assert.deepEqual(await explained('example.com', { forward: { enabled: false } }), [
      'example.com.',
      'refused: forwarding is turned off',
      [],
    ]);
    assert.deepEqual(await explained('example.com', { upstreams: [] }), [
      'example.com.',
      'refused: there is no upstream resolver',
      [],
    ]);
  });

  test('of top queries is what was counted', () => {
    const { source } = sourceOf();
    assert.equal(source.topQueries(1).names.length, 1);
    assert.equal(source.logQueries('web.mesos', 5), null);
  });
});

test('answers of upstreams are flushed by name or all, and by what is no name none', () => {
  const { source, flushed } = sourceOf();
  assert.deepEqual(
    ['Example.com', null, 'a..b'].map((name) => source.flushCache(name)),
    [7, 7, 0],
  );
  assert.deepEqual(flushed, ['example.com.', null]);
});

test('the query log of a name has one reader, and ends by itself', async () => {
  const clock = new ManualClock();
  const ignore = (): void => undefined;
  const tallies = new DnsTallies(clock, {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: ignore,
  });
  const records = tallies.logQueries('web.mesos', 5);
  assert.ok(records !== null);
  assert.equal(tallies.logQueries('web.mesos', 5), null, 'somebody else reads');
  assert.equal(tallies.logQueries('a..b', 5), null, 'that is no name');
  clock.advance(5_000);
  const read: unknown[] = [];
  for await (const record of records) read.push(record);
  assert.deepEqual(read, []);
  assert.ok(tallies.logQueries('web.mesos', 5) !== null);
  tallies.close();
  assert.equal(clock.pending, 0);
});
