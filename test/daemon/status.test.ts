import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LatencyStatus } from '../../src/core/base/live-status.ts';
import type {
  DnsStatus,
  GenerationStatus,
  HoldStatus,
  KernelStatus,
  ListenerStatus,
  PropagationStatus,
  SavedStateStatus,
  ServicesFileStatus,
  SourceStatus,
  Status,
  VipStatus,
  ZookeeperStatus,
} from '../../src/core/ports.ts';
import { statusOf } from '../../src/daemon/status.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { daemonConfig } from '../support/daemon-config.ts';

const SOURCE: SourceStatus = {
  leader: '10.0.0.9:5050',
  from: 'master',
  ageSeconds: 4.4,
  lastSuccessAt: '2026-01-01T00:00:00.000Z',
  lastAttemptAt: '2026-01-01T00:00:00.000Z',
  consecutiveFailures: 0,
  lastError: null,
  pollIntervalSeconds: 30,
  polls: 12,
  events: {
    state: 'following',
    reason: null,
    master: '10.0.0.9:5050',
    since: '2026-01-01T00:00:00.000Z',
    records: 7,
    reconnects: 1,
    lastRecordAt: '2026-01-01T00:00:00.000Z',
    heartbeatMs: 15_000,
  },
  zookeeper: null,
  hold: null,
};

const GENERATION: GenerationStatus = {
  serial: 1_700_000_000,
  publishedAt: '2026-01-01T00:00:00.000Z',
  changedAt: '2026-01-01T00:00:00.000Z',
  names: 1842,
  records: 5120,
  frameworks: 3,
  agents: 40,
  tasks: 411,
  services: 0,
  rejections: 2,
  stateBytes: 1_114_112,
  parseMs: 8.5,
  buildMs: 12.3,
  tableBytes: 524_288,
};

const NEVER: LatencyStatus = { count: 0, lastMs: null, p50Ms: null, p99Ms: null };
const PROPAGATION: PropagationStatus = {
  event: { table: NEVER, kernel: NEVER },
  status: { table: NEVER, kernel: NEVER },
};

const HOLD: HoldStatus = {
  reason: 'leader-changed',
  since: '2026-01-01T00:00:00.000Z',
  until: '2026-01-01T00:10:00.000Z',
  missingTasks: 40,
  missingAgents: 4,
  knownTasks: 411,
  share: 0.097,
  examples: ['web.1'],
};

const OPEN: ListenerStatus = {
  address: '127.0.0.1',
  port: 53,
  protocol: 'udp',
  open: true,
  error: null,
};
const CLOSED: ListenerStatus = {
  address: 'fd00::1',
  port: 53,
  protocol: 'udp',
  open: false,
  error: 'the address is in use',
};
const ERROR = {
  code: 'master-timeout',
  message: 'master 10.0.0.9:5050: no complete state in 20000 ms',
  at: '2026-01-01T00:00:00.000Z',
};

const VIPS: VipStatus = { enabled: true, services: 12, digest: '5f0c6e1d' };

const KERNEL: KernelStatus = {
  state: 'synced',
  reasons: [],
  lastSyncAt: '2026-01-01T00:00:00.000Z',
  syncMs: 3,
  programmed: 12,
  services: 24,
  destinations: 60,
  weightZero: 0,
  draining: 0,
  changes: 96,
  driftRepaired: 0,
  errors: {},
  source: { ipv4: '10.0.0.7', ipv6: null },
  sysctls: [],
  restarts: 0,
};

const DNS: DnsStatus = {
  udp: { threads: 1, problem: null, restarts: 0, threadNice: -15 },
  upstreams: ['10.0.0.2:53'],
  health: [{ to: '10.0.0.2:53', rttMs: 1.5, failing: false, lastFailure: null, disabled: false }],
  looping: [],
  cache: {
    entries: 5,
    bytes: 1_280,
    hotEntries: 2,
    hits: 40,
    misses: 7,
    stale: 1,
    prefetches: 3,
    flights: 1,
    waiters: 2,
  },
};

interface Parts {
  readonly source?: Partial<SourceStatus>;
  readonly generation?: GenerationStatus | null;
  readonly listeners?: readonly ListenerStatus[];
  readonly listening?: boolean;
  readonly forward?: object;
  readonly vips?: VipStatus | null;
  readonly kernel?: Partial<KernelStatus>;
  readonly looping?: readonly string[];
  readonly savedState?: SavedStateStatus | null;
  readonly servicesFile?: ServicesFileStatus | null;
}

const FORWARD = {
  upstreams: ['10.0.0.2:53'],
  zones: { consul: ['10.0.0.3:8600', '[fd00::3]:8600'] },
};

function status(parts: Parts = {}): Status {
  const { source = {}, generation = GENERATION, listeners = [OPEN], forward = FORWARD } = parts;
  const { listening = true, vips = VIPS, kernel = {}, looping = [], savedState = null } = parts;
  const { servicesFile = null } = parts;
  const clock = new ManualClock();
  clock.advance(3_600_400);
  return statusOf({
    clock,
    version: '1.2.3',
    node: 'node-7',
    startedAt: { now: Date.UTC(2026, 0, 1), monotonic: 0 },
    config: () => daemonConfig({ cluster: { masters: ['10.0.0.9:5050'] }, forward }),
    source: () => ({ ...SOURCE, ...source }),
    propagation: () => PROPAGATION,
    servicesFile: () => servicesFile,
    marathon: () => null,
    watch: () => null,
    savedState: () => savedState,
    generation: () => generation,
    vips: () => vips,
    kernel: () => ({ ...KERNEL, ...kernel }),
    listeners: () => listeners,
    listening: () => listening,
    dns: () => ({ ...DNS, looping }),
  });
}

const WAITING = { leader: null, from: null, ageSeconds: null, lastSuccessAt: null };

describe('the status', () => {
  test('of a daemon that serves is ready and says what from', () => {
    const { startedAt, uptimeSeconds, ready, summary, reasons, forwarding, udp } = status();
    assert.deepEqual([ready, reasons], [true, []]);
    assert.equal(
      summary,
      'Serving 1842 names of 411 tasks and 12 VIPs from 10.0.0.9:5050, state 4 s old, 2 rejections.',
    );
    assert.deepEqual([startedAt, uptimeSeconds], ['2026-01-01T00:00:00.000Z', 3600]);
    assert.deepEqual(forwarding, {
      enabled: true,
      upstreams: ['10.0.0.2:53'],
      health: DNS.health,
      cache: DNS.cache,
      zones: { consul: ['10.0.0.3:8600', '[fd00::3]:8600'] },
    });
    assert.deepEqual(udp, { threads: 1, problem: null, restarts: 0, threadNice: -15 });
  });

  test('says what is kept though the master does not show it, and until when', () => {
    const held = status({ source: { hold: HOLD } });
    assert.equal(held.ready, true);
    assert.deepEqual(held.reasons, [
      'the master does not show 40 of 411 tasks and 4 agents any more (leader-changed); ' +
        'they are kept until 2026-01-01T00:10:00.000Z',
    ]);
    assert.deepEqual([held.source.hold, held.propagation], [HOLD, PROPAGATION]);
    const blind = status({ source: { hold: { ...HOLD, reason: 'cluster-empty', until: null } } });
    assert.match(blind.reasons[0] ?? '', /kept until it shows tasks again$/);
  });

  test('is ready with a services file that cannot be read, and says why', () => {
    const servicesFile = { path: '/etc/services.json', services: 3, problem: 'does not exist' };
    const { ready, reasons } = status({ servicesFile });
    assert.deepEqual([ready, reasons], [true, ['the file /etc/services.json does not exist']]);
  });

  test('says that ZooKeeper is away, and whose word counts meanwhile', () => {
    const zookeeper: ZookeeperStatus = {
      connected: false,
      server: null,
      servers: ['10.0.0.3:2181'],
      sessionMs: null,
      lastError: { ...ERROR, code: 'zookeeper-unreachable', message: 'the connection ended' },
      leader: '10.0.0.9:5050',
      since: '2026-01-01T00:00:00.000Z',
    };
    const { ready, reasons } = status({ source: { zookeeper } });
    assert.deepEqual(
      [ready, reasons],
      [true, ['ZooKeeper does not answer: the connection ended; 10.0.0.9:5050 counts as leader']],
    );
    for (const fine of [{ connected: true }, { lastError: null }]) {
      assert.deepEqual(status({ source: { zookeeper: { ...zookeeper, ...fine } } }).reasons, []);
    }
  });

  test('of a saved state that no master has replaced says so, and is ready', () => {
    const source = { from: 'file', ageSeconds: 20, consecutiveFailures: 0 } as const;
    const { ready, reasons } = status({ source });
    assert.equal(ready, true);
    assert.deepEqual(reasons, [
      'no master has answered since the start; the state is a saved one, 20 s old',
    ]);
  });

  test('is ready while the state cannot be saved, and says why', () => {
    const savedState = { path: '/var/lib/hoplite/last-state', takenAt: null, error: 'ENOSPC' };
    const { ready, reasons, savedState: told } = status({ savedState });
    assert.deepEqual([ready, reasons], [true, ['the state is not saved: ENOSPC']]);
    assert.deepEqual(told, savedState);
  });

  test('is ready with an upstream that asks us back, and says that it is not asked', () => {
    const { ready, reasons } = status({ looping: ['10.0.0.2:53'] });
    assert.equal(ready, true);
    assert.deepEqual(reasons, [
      'upstream 10.0.0.2:53 sends our questions back to us and is not asked',
    ]);
  });

  test('before the first state is not ready and says what happens to names', () => {
    const { ready, summary, reasons } = status({ source: WAITING, generation: null });
    assert.equal(ready, false);
    assert.equal(
      summary,
      'Waiting for the first state: own names get SERVFAIL, others are forwarded.',
    );
    assert.deepEqual(reasons, ['no state of the cluster yet']);
    const alone = status({ source: WAITING, generation: null, forward: { enabled: false } });
    assert.match(alone.summary, /own names get SERVFAIL, others are refused\.$/);
  });

  test('before the first state names the error of the last poll', () => {
    const source = { ...WAITING, consecutiveFailures: 3, lastError: ERROR };
    assert.deepEqual(status({ source, generation: null }).reasons, [
      `no state of the cluster yet: ${ERROR.message}`,
    ]);
  });

  test('is stale after three intervals: still ready, with age, failures and error', () => {
    const failing = { consecutiveFailures: 5, lastError: ERROR };
    assert.deepEqual(status({ source: { ...failing, ageSeconds: 90 } }).reasons, []);
    const { ready, summary, reasons } = status({ source: { ...failing, ageSeconds: 90.6 } });
    assert.equal(ready, true);
    assert.deepEqual(reasons, [`the state is 91 s old, 5 polls failed: ${ERROR.message}`]);
    assert.equal(
      summary,
      'Serving 1842 names of 411 tasks and 12 VIPs from 10.0.0.9:5050, state 91 s old, 2 rejections; ' +
        `the state is 91 s old, 5 polls failed: ${ERROR.message}.`,
    );
  });

  test('does not blame an error that is over for a poll that takes long', () => {
    const source = { ageSeconds: 200, consecutiveFailures: 0, lastError: ERROR };
    assert.deepEqual(status({ source }).reasons, ['the state is 200 s old, 0 polls failed']);
  });

  test('with a closed address of a wildcard is still ready, and says so', () => {
    const { ready, reasons } = status({ listeners: [OPEN, CLOSED] });
    assert.equal(ready, true);
    assert.deepEqual(reasons, ['listener udp [fd00::1]:53 is not open: the address is in use']);
  });

  test('with a listener that is not open is not ready, and that reason comes first', () => {
    const source = { ageSeconds: 500, consecutiveFailures: 9, lastError: ERROR };
    const { ready, reasons, summary } = status({
      source,
      listeners: [OPEN, CLOSED],
      listening: false,
    });
    assert.equal(ready, false);
    assert.equal(reasons[0], 'listener udp [fd00::1]:53 is not open: the address is in use');
    assert.match(reasons[1] ?? '', /^the state is 500 s old/);
    assert.match(summary, /; listener udp \[fd00::1\]:53 is not open: the address is in use\.$/);
  });

  test('shows VIPs and kernel as they are, and no VIPs where there are none', () => {
    const { vips, kernel } = status();
    assert.deepEqual([vips, kernel], [VIPS, KERNEL]);
    const without = status({ vips: { ...VIPS, enabled: false }, kernel: { state: 'off' } });
    assert.match(without.summary, /^Serving 1842 names of 411 tasks from /);
    assert.deepEqual(without.reasons, []);
    const early = status({ source: WAITING, generation: null, vips: null });
    assert.deepEqual(early.vips, { enabled: true, services: 0, digest: '' });
  });

  test('with a degraded kernel is still ready, and says why after what hits names', () => {
    const reason = 'no CAP_NET_ADMIN in the host user namespace';
    const kernel = { state: 'degraded', reasons: [reason, 'and more'] } as const;
    const { ready, reasons, summary } = status({ kernel });
    assert.deepEqual([ready, reasons], [true, [reason, 'and more']]);
    assert.ok(summary.endsWith(`2 rejections; ${reason}.`), summary);
    const stale = status({ kernel, source: { ageSeconds: 500 } });
    assert.match(stale.reasons[0] ?? '', /^the state is 500 s old/);
    assert.deepEqual(stale.reasons.slice(1), [reason, 'and more']);
  });

  test('says nothing of a kernel that no VIP needs', () => {
    const kernel = { state: 'degraded', reasons: ['no IPVS'] } as const;
    const { reasons } = status({ kernel, vips: { ...VIPS, services: 0 } });
    assert.deepEqual(reasons, []);
  });

  test('leaves out what was wrong with a kernel that is right again', () => {
    for (const state of ['starting', 'synced', 'off'] as const) {
      assert.deepEqual(status({ kernel: { state, reasons: ['over'] } }).reasons, [], state);
    }
  });
});
