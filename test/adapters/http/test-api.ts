import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { HTTP_LIMITS } from '../../../src/adapters/http/limits.ts';
import type { HttpLimits } from '../../../src/adapters/http/limits.ts';
import { createHttpServer } from '../../../src/adapters/http/server.ts';
import type { HttpServer } from '../../../src/adapters/http/server.ts';
import type { WatchHub } from '../../../src/adapters/http/watch-hub.ts';
import { knownPrefix } from '../../../src/core/config/address-type.ts';
import type { Config } from '../../../src/core/config/config.ts';
import type {
  ApiSource,
  HostAnswer,
  LogFields,
  QueryRecord,
  ServiceAnswer,
  Status,
  TopQueries,
  ViewRequest,
} from '../../../src/core/ports.ts';
import { QueryWatch } from '../../../src/core/respond/query-watch.ts';

/** What must never leave the process. */
export const SECRET = 'hunter2-correct-horse';

export const CONFIG: Config = {
  format: 'mesos-dns',
  file: '/etc/mesos-dns/config.json',
  cluster: {
    masters: [{ host: '10.0.0.10', port: 5050 }],
    zookeeper: null,
    events: { follow: 'auto', agentsMax: 500 },
    trust: { lossShare: 0.2, holdMs: 600_000 },
    servicesFile: null,
    savedState: null,
    marathon: null,
    pollIntervalMs: 30_000,
    requestTimeoutMs: 10_000,
    stateBytesMax: 256 * 1024 * 1024,
    tls: null,
    auth: { kind: 'basic', principal: 'mesos-dns', secret: SECRET },
  },
  dns: {
    enabled: true,
    domain: 'mesos',
    listen: [{ address: '127.0.0.1', port: 53 }],
    ttlSeconds: 60,
    srvWeight: 1,
    soa: {
      mname: 'ns1.mesos.',
      rname: 'root.ns1.mesos.',
      refreshSeconds: 60,
      retrySeconds: 600,
      expireSeconds: 86_400,
      minimumSeconds: 60,
    },
    udpPayloadSize: 1232,
    recursionAvailable: true,
    truncateBit: true,
    udpThreads: 'auto',
    allow: [knownPrefix('0.0.0.0/0'), knownPrefix('::/0')],
    serverId: 'hostname',
    chaos: false,
    cookieSecret: null,
    rateLimit: { responsesPerSecond: 1000, errorsPerSecond: 100, exempt: [] },
  },
  names: {
    labels: 'rfc1123',
    addresses: ['netinfo', 'mesos', 'host'],
    unhealthy: 'publish',
    inactive: 'publish',
    locations: true,
  },
  vip: {
    enabled: true,
    pool: [knownPrefix('10.208.0.0/12')],
    poolIpv6: [],
    exclude: [],
    ranges: [],
    aliasDomains: ['thisdcos.directory'],
    auto: false,
    scheduler: 'wlc',
  },
  kernel: {
    enabled: true,
    interface: 'hoplite0',
    nodeAddress: { ipv4: null, ipv6: null },
    reconcileIntervalMs: 30_000,
    drainMs: 300_000,
    sysctls: 'set',
    snat: false,
  },
  forward: {
    enabled: true,
    upstreams: 'system',
    zones: [],
    allow: [knownPrefix('0.0.0.0/0'), knownPrefix('::/0')],
    policy: 'sequential',
    timeoutMs: 5000,
    deadlineMs: 15_000,
    cache: {
      bytesMax: 33_554_432,
      ttlSecondsMin: 0,
      ttlSecondsMax: 86_400,
      negativeTtlSecondsMax: 900,
      staleSeconds: 0,
      prefetch: true,
    },
    blockPrivate: false,
    blockPrivateExcept: [],
    specialNames: 'local',
    privateReverse: 'forward',
  },
  http: { enabled: true, listen: { host: '127.0.0.1', port: 8123 }, enumeration: true },
  log: { level: 'info', querySample: 0 },
};

export const STATUS: Status = {
  version: '1.2.3',
  node: 'node-7.example',
  startedAt: '2026-11-21T08:00:00.000Z',
  uptimeSeconds: 3600,
  ready: true,
  summary: 'Serving 1842 names from 10.0.0.10:5050, state 4 s old.',
  reasons: [],
  source: {
    leader: '10.0.0.10:5050',
    ageSeconds: 4,
    from: 'master',
    lastSuccessAt: '2026-11-21T08:59:56.000Z',
    lastAttemptAt: '2026-11-21T08:59:56.000Z',
    consecutiveFailures: 0,
    lastError: {
      code: 'master-timeout',
      message: 'no answer within 10 s',
      at: '2026-11-21T08:30:00.000Z',
    },
    pollIntervalSeconds: 30,
    polls: 120,
    events: {
      state: 'following',
      reason: null,
      master: '10.0.0.10:5050',
      since: '2026-11-21T08:00:01.000Z',
      records: 4_321,
      reconnects: 2,
      lastRecordAt: '2026-11-21T08:59:58.000Z',
      heartbeatMs: 15_000,
    },
    zookeeper: {
      connected: true,
      server: '10.0.0.3:2181',
      servers: ['10.0.0.2:2181', '10.0.0.3:2181'],
      sessionMs: 10_000,
      lastError: {
        code: 'zookeeper-unreachable',
        message: 'the connection ended',
        at: '2026-11-21T08:10:00.000Z',
      },
      leader: '10.0.0.10:5050',
      since: '2026-11-21T08:00:00.000Z',
    },
    hold: {
      reason: 'leader-changed',
      since: '2026-11-21T08:59:56.000Z',
      until: '2026-11-21T09:09:56.000Z',
      missingTasks: 12,
      missingAgents: 2,
      knownTasks: 411,
      share: 0.029,
      examples: ['web.1'],
    },
  },
  propagation: {
    event: {
      table: { count: 40, lastMs: 3.2, p50Ms: 3, p99Ms: 9.5 },
      kernel: { count: 20, lastMs: 4.2, p50Ms: 4, p99Ms: 11 },
    },
    status: {
      table: { count: 39, lastMs: 43, p50Ms: 40, p99Ms: 112.5 },
      kernel: { count: 0, lastMs: null, p50Ms: null, p99Ms: null },
    },
  },
  servicesFile: { path: '/etc/hoplite/services.json', services: 5, problem: null },
  marathon: {
    state: 'ok',
    reason: null,
    instance: '10.0.0.4:8080',
    tasks: 120,
    unhealthy: 1,
    notReady: 2,
    lastSuccessAt: '2026-11-21T08:59:50.000Z',
    consecutiveFailures: 0,
    fetches: 130,
    rejections: 0,
    bus: 'following',
    events: 12,
  },
  watch: { clients: 3, events: 40, closed: { left: 2 } },
  savedState: {
    path: '/var/lib/hoplite/last-state',
    takenAt: '2026-11-21T08:55:56.000Z',
    error: null,
  },
  generation: {
    serial: 1795252234,
    publishedAt: '2026-11-21T08:59:56.000Z',
    changedAt: '2026-11-21T08:59:26.000Z',
    names: 1842,
    records: 5120,
    frameworks: 3,
    agents: 40,
    tasks: 411,
    services: 5,
    rejections: 2,
    stateBytes: 1_114_112,
    parseMs: 8.5,
    buildMs: 12.25,
    tableBytes: 524_288,
  },
  listeners: [
    { address: '127.0.0.1', port: 53, protocol: 'udp', open: true, error: null },
    { address: '::1', port: 53, protocol: 'tcp', open: false, error: 'address in use' },
  ],
  vips: { enabled: true, services: 120, digest: '5f0c6e1d' },
  kernel: {
    state: 'synced',
    reasons: [],
    lastSyncAt: '2026-11-21T08:59:57.000Z',
    syncMs: 42.5,
    programmed: 121,
    services: 150,
    destinations: 900,
    weightZero: 12,
    draining: 3,
    changes: 1_111,
    driftRepaired: 2,
    errors: { EPERM: 4 },
    source: { ipv4: '10.0.0.7', ipv6: null },
    sysctls: [
      { name: 'net.ipv4.vs.conntrack', value: '0', wanted: '0', ok: true },
      { name: 'net.ipv4.vs.expire_nodest_conn', value: null, wanted: '1', ok: false },
    ],
    restarts: 1,
  },
  udp: { threads: 3, problem: null, restarts: 0, threadNice: -15 },
  forwarding: {
    enabled: true,
    upstreams: ['10.0.0.2:53'],
    health: [
      { to: '10.0.0.2:53', rttMs: 1.5, failing: false, lastFailure: null, disabled: false },
      {
        to: '10.0.0.3:8600',
        rttMs: null,
        failing: true,
        lastFailure: { reason: 'timeout', at: '2026-11-21T08:59:50.000Z' },
        disabled: false,
      },
    ],
    cache: {
      entries: 512,
      bytes: 262_144,
      hotEntries: 64,
      hits: 4096,
      misses: 512,
      stale: 1,
      prefetches: 12,
      flights: 2,
      waiters: 3,
    },
    zones: { 'consul.': ['10.0.0.3:8600'] },
  },
};

const HOSTS: Readonly<Record<string, readonly string[]>> = {
  'web.marathon.mesos': ['10.0.0.1', '10.0.0.2'],
  'dualstack.marathon.mesos': ['9.0.7.1', 'fd01:d::7'],
  'sp ace.marathon.mesos': ['9.1.1.5'],
};

const SERVICES: Readonly<Record<string, readonly ServiceAnswer[]>> = {
  '_multiip._tcp.marathon.mesos': [
    { host: 'multiip-jez1e-s0.marathon.mesos.', ip: '9.1.2.1', port: 110 },
    { host: 'multiip-jez1e-s0.marathon.mesos.', ip: '9.1.2.2', port: 110 },
    { host: 'multiip-jez1e-s0.marathon.mesos.', ip: 'fd01:e::2', port: 110 },
  ],
};

/** What the worker renders; text, so that a test can see that it is passed on as it is. */
export const VIEWS: Readonly<Record<ViewRequest['kind'], string>> = {
  axfr: `{
 "TTL": 60, "Serial": 7, "RefreshSeconds": 30,
 "Mname": "ns1.mesos.", "Rname": "root.ns1.mesos.", "Domain": "mesos",
 "Records": {"As": {"web.marathon.mesos.": ["10.0.0.1"]}, "AAAAs": {}, "SRVs": {}}
}`,
  enumerate: `{
 "frameworks": [{"tasks": [{"name": "web", "id": "web.1", "records": [
  {"name": "web.marathon.mesos.", "host": "10.0.0.1", "rtype": "A"}
 ]}], "name": "marathon"}]
}`,
  records: '[{"name": "web.marathon.mesos.", "host": "10.0.0.1", "rtype": "A"}]',
  rejections: `{"total": 2, "notShown": 1, "rejections": [
 {"path": "frameworks[0].tasks[3].discovery.ports[0]", "code": "port-out-of-range", "value": "70000"}
]}`,
  vips: `[{
 "vip": "web.marathon.l4lb.mesos:80", "protocol": "tcp", "name": "web",
 "fqdn": "web.marathon.l4lb.mesos", "address": "10.208.0.7", "port": 80,
 "scheduler": "wlc", "persistenceSeconds": 0, "programmed": true,
 "backend": [{
  "ip": "10.0.0.1", "port": 31000, "weight": 1, "healthy": true, "state": "running",
  "taskId": "web.1", "agent": "agent-1"
 }]
}]`,
  ipvs: `{
 "services": [{
  "protocol": "tcp", "address": "10.208.0.7", "port": 80, "scheduler": "wlc",
  "schedulerFlags": 0, "persistenceSeconds": 0, "state": "desired",
  "counters": {
   "connections": 5, "packetsIn": 50, "packetsOut": 40, "bytesIn": 6000, "bytesOut": 70000
  },
  "destinations": [{
   "address": "10.0.0.1", "port": 31000, "forwarding": "masq", "weight": 0,
   "upperThreshold": 0, "lowerThreshold": 0, "activeConnections": 2, "inactiveConnections": 1,
   "state": "draining"
  }]
 }],
 "routes": [{"address": "10.208.0.7", "source": "10.0.0.7"}],
 "drift": []
}`,
  'ipvs-plan': `{
 "changes": [{"kind": "set-route", "address": "10.208.0.7", "source": "10.0.0.7"}],
 "lines": ["set-route 10.208.0.7 source 10.0.0.7"], "ipvsadm": ""
}`,
  explain: `{
 "name": "web.marathon.mesos.", "zone": "mesos.", "exists": true, "outcome": "1 A",
 "answer": {"A": ["10.0.0.1"], "AAAA": [], "SRV": []}, "ttlSeconds": 60,
 "sources": [{"path": "frameworks[0].tasks[0]", "records": ["A 10.0.0.1"]}], "sourcesNotShown": 0
}`,
};

export const TOP: TopQueries = {
  sinceSeconds: 95,
  names: [
    { name: 'web.marathon.mesos.', count: 4096 },
    { name: 'db.marathon.mesos.', count: 8 },
  ],
  nxdomain: [{ name: 'web.marathon.mesos.marathon.mesos.', count: 64 }],
};

export const RECORD: QueryRecord = {
  name: 'web.marathon.mesos.',
  type: 'A',
  rcode: 'NOERROR',
  client: '10.0.0.9',
  protocol: 'udp',
  bytes: 53,
  durationUs: 12,
};

/** A cluster of a few names; each member can be replaced while the server runs. */
export interface TestSource extends ApiSource {
  current: { config: Config; status: Status };
  hosts: (name: string) => readonly HostAnswer[];
  services: (name: string) => readonly ServiceAnswer[];
  view: (request: ViewRequest) => Promise<string>;
  topQueries: (n: number) => TopQueries;
  logQueries: (name: string, seconds: number) => AsyncIterable<QueryRecord> | null;
  flushCache: (name: string | null) => number;
  /** Views that were asked for. */
  readonly asked: ViewRequest[];
}

function createTestSource(): TestSource {
  const bare = (name: string): string => name.toLowerCase().replace(/\.$/, '');
  const current = { config: CONFIG, status: STATUS };
  const asked: ViewRequest[] = [];
  return {
    current,
    config: () => current.config,
    status: () => current.status,
    hosts: (name) => (HOSTS[bare(name)] ?? []).map((ip) => ({ host: `${bare(name)}.`, ip })),
    services: (name) => SERVICES[bare(name)] ?? [],
    asked,
    view: (request) => {
      asked.push(request);
      return Promise.resolve(VIEWS[request.kind]);
    },
    topQueries: (n) => ({ ...TOP, names: TOP.names.slice(0, n) }),
    logQueries: (name) => {
      const watch = new QueryWatch(name, () => undefined);
      watch.offer(RECORD);
      watch.offer({ ...RECORD, type: 'AAAA' });
      watch.end();
      return watch;
    },
    flushCache: (name) => (name === null ? 1234 : 2),
  };
}

export interface TestReply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface TestApi {
  readonly source: TestSource;
  readonly server: HttpServer;
  readonly port: number;
  readonly logged: { readonly event: string; readonly fields: LogFields | undefined }[];
  readonly counted: string[];
  /** Sends `path` as it is, without cleaning it up first. */
  get(path: string, headers?: http.OutgoingHttpHeaders): Promise<TestReply>;
  request(
    method: string,
    path: string,
    headers?: http.OutgoingHttpHeaders,
    body?: string,
  ): Promise<TestReply>;
  /** A bare connection; destroyed at the end of the test. */
  connect(): Promise<Socket>;
}

/** Everything that arrives until the other side ends the connection. */
export async function readToEnd(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  socket.on('error', () => undefined);
  await once(socket, 'close');
  return text;
}

/** Starts the API over a socket on a free port; stops it with the test. */
export async function startApi(
  t: TestContext,
  limits: Partial<HttpLimits> = {},
  host = '127.0.0.1',
  watch: WatchHub | null = null,
): Promise<TestApi> {
  const source = createTestSource();
  const logged: TestApi['logged'] = [];
  const counted: string[] = [];
  const record = (event: string, fields?: LogFields): void => {
    logged.push({ event, fields });
  };
  const server = createHttpServer({
    source,
    metrics: {
      observeHttp: (route, code) => counted.push(`${route} ${code}`),
      promText: () => Promise.resolve('hoplite_ready 1\n'),
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
    },
    log: { debug: record, info: record, warn: record, error: record },
    version: '1.2.3',
    listen: { host, port: 0 },
    configView: () => ({
      RefreshSeconds: 30,
      KeyFile: '/etc/key.pem',
      Masters: null,
      MesosCredentials: { Principal: 'mesos-dns', Secret: SECRET },
    }),
    limits: { ...HTTP_LIMITS, ...limits },
    ...(watch !== null && { watch }),
  });
  const { port } = await server.listen();
  t.after(() => server.close(0));

  const request: TestApi['request'] = async (method, path, headers = {}, body) => {
    const sent = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false });
    sent.end(body);
    const [message] = (await once(sent, 'response')) as [http.IncomingMessage];
    let text = '';
    for await (const chunk of message.setEncoding('utf8')) text += String(chunk);
    return { status: message.statusCode ?? 0, headers: message.headers, body: text };
  };
  return {
    source,
    server,
    port,
    logged,
    counted,
    request,
    get: (path, headers) => request('GET', path, headers),
    async connect() {
      const socket = connect(port, '127.0.0.1');
      t.after(() => socket.destroy());
      await once(socket, 'connect');
      return socket;
    },
  };
}
