import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../src/adapters/metrics.ts';
import { DnsCounters } from '../../src/core/respond/counters.ts';
import { STATUS } from '../adapters/http/test-api.ts';
import { readProjectFile } from '../support/project.ts';

const PAGE = 'docs/metrics.md';

/** Metrics of prom-client itself, which the page names as a family. */
const NOT_OURS = /^(process|nodejs)_/;

/** The text of a scrape where every metric has at least one series. */
async function fullScrape(): Promise<string> {
  const block = new DnsCounters(DnsCounters.create());
  block.observe(0, 0, 0, 1, 0, 40, 120, 0.3);
  const metrics = createMetrics({
    version: '1.2.3',
    nodeVersion: 'v20.20.2',
    dns: { blocks: () => [block], zoneName: () => '.' },
  });
  const to = '10.0.0.2:53';
  metrics.readStatusFrom(() => STATUS);
  metrics.readForwardFrom(() => ({
    upstreams: [{ to, rttMs: 1, up: true }],
    cacheEntries: 1,
    cacheBytes: 1,
  }));
  metrics.readWatchFrom(() => ({ clients: 1, events: 1, closed: { left: 1 } }));
  metrics.observeForward({ to, rcode: 0, durationMs: 1 });
  metrics.countForwardFailure(to, 'timeout');
  metrics.setDnsListenerCounts({
    tcpRefused: { total: 1 },
    tcpClosed: { idle: 1 },
    udpDropped: { short: 1 },
    udpSendErrors: { EPERM: 1 },
  });
  metrics.setDnsReceiveBuffer(1);
  metrics.observePoll('success', 1);
  metrics.observeBuild('parse', 1);
  metrics.observePropagation('event', 'table', 1);
  metrics.countConfigReload('success');
  metrics.observeHttp('/healthz', 200);
  const traffic = { connections: 1, packetsIn: 1, packetsOut: 1, bytesIn: 1, bytesOut: 1 };
  metrics.observeKernel(STATUS.kernel, new Map([['tcp 10.208.0.1:80', traffic]]));
  return metrics.promText();
}

/** `name type label, label` of every metric of ours in a scrape, sorted. */
function exported(text: string): string[] {
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, n, t]) => [n!, t!]));
  const labels = new Map<string, string>();
  for (const [, name, set = ''] of text.matchAll(/^([a-z]\w*)(?:\{(.*)\})? \S+$/gm)) {
    const base = types.has(name!) ? name! : name!.replace(/_(bucket|sum|count)$/, '');
    const names = [...set.matchAll(/(\w+)="[^"]*"/g)].map(([, label]) => label!);
    labels.set(base, names.filter((label) => label !== 'le').join(', '));
  }
  return [...types]
    .filter(([name]) => !NOT_OURS.test(name))
    .map(([name, type]) => `${name} ${type} ${labels.get(name) ?? '(no series)'}`)
    .toSorted();
}

/** The same of every row of the page's tables. */
function documented(page: string): string[] {
  return page
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .filter(([, name]) => name?.startsWith('hoplite_'))
    .map(([, name, type, labels]) => `${name!} ${type!} ${labels!}`)
    .toSorted();
}

test(`${PAGE} lists every metric with its type and labels, and no other`, async () => {
  const listed = documented(readProjectFile(PAGE));
  assert.ok(listed.length > 50, `${listed.length} metrics listed`);
  assert.deepEqual(listed, exported(await fullScrape()));
});

test('a metric that is not listed, or listed otherwise, is found', () => {
  const text =
    '# HELP a_b x\n# TYPE a_b histogram\na_b_bucket{le="1",zone="."} 1\na_b_sum{zone="."} 1';
  assert.deepEqual(exported(text), ['a_b histogram zone']);
  assert.deepEqual(documented('| `hoplite_x` | gauge | `a`, `b` | what |'), [
    'hoplite_x gauge a, b',
  ]);
});
