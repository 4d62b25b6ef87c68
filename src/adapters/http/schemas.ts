import { FORWARDING_METHODS, PROTOCOLS } from '../../core/ipvs/table.ts';
import { EVENT_STREAM_TYPE, JSON_LINES_TYPE, JSON_TYPE } from './reply.ts';
import {
  boolean,
  count,
  exactly,
  listOf,
  milliseconds,
  millisecondsOrNull,
  port,
  reference,
  string,
  stringOrNull,
  strings,
  time,
  timeOrNull,
} from './json-schema.ts';
import type { JsonSchema, RouteResponse } from './route.ts';
import { BACKENDS, WATCH_SCHEMAS } from './watch-schemas.ts';

const SERVICE_MEMBERS: Readonly<Record<string, JsonSchema>> = {
  protocol: { type: 'string', enum: PROTOCOLS },
  address: string,
  port,
  scheduler: string,
  persistenceSeconds: { type: 'number', minimum: 0 },
};

const PROPAGATED: JsonSchema = exactly({
  table: reference('Latency'),
  kernel: reference('Latency'),
});

/** Schemas with a name in the OpenAPI document; members are the shapes of `core/ports.ts`. */
export const NAMED_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Error: exactly({ error: exactly({ code: string, message: string }) }),
  Version: exactly({ Service: string, URL: string, Version: string }),
  HostAnswer: exactly({ host: string, ip: string }),
  ServiceAnswer: exactly({ service: string, host: string, ip: string, port: string }),
  Record: exactly({ name: string, host: string, rtype: string }),
  Enumeration: exactly({
    frameworks: listOf(
      exactly({
        tasks: listOf(exactly({ name: string, id: string, records: listOf(reference('Record')) })),
        name: string,
      }),
    ),
  }),
  Axfr: exactly({
    TTL: count,
    Serial: count,
    RefreshSeconds: { type: 'number', minimum: 0 },
    Mname: string,
    Rname: string,
    Domain: string,
    Records: exactly({
      As: { type: 'object', additionalProperties: strings },
      AAAAs: { type: 'object', additionalProperties: strings },
      SRVs: { type: 'object', additionalProperties: strings },
    }),
  }),
  Rejections: exactly({
    total: count,
    notShown: count,
    rejections: listOf(exactly({ path: string, code: string, value: string })),
  }),
  // Names of ours have sources, others have upstreams; both say what becomes of a query.
  Explanation: {
    type: 'object',
    properties: {
      name: string,
      zone: stringOrNull,
      exists: { type: ['boolean', 'null'] },
      outcome: string,
      answer: {
        anyOf: [exactly({ A: strings, AAAA: strings, SRV: strings }), { type: 'null' }],
      },
      ttlSeconds: count,
      sources: listOf({ type: 'object' }),
      sourcesNotShown: count,
      forwardedTo: strings,
    },
    required: ['name', 'zone', 'exists', 'outcome'],
  },
  SourceStatus: exactly({
    leader: stringOrNull,
    from: { enum: ['master', 'file', null] },
    ageSeconds: { type: ['number', 'null'], minimum: 0 },
    lastSuccessAt: timeOrNull,
    lastAttemptAt: timeOrNull,
    consecutiveFailures: count,
    lastError: {
      anyOf: [exactly({ code: string, message: string, at: time }), { type: 'null' }],
    },
    pollIntervalSeconds: { type: 'number', minimum: 0 },
    polls: count,
    events: reference('EventStreamStatus'),
    zookeeper: { anyOf: [reference('ZookeeperStatus'), { type: 'null' }] },
    hold: { anyOf: [reference('HoldStatus'), { type: 'null' }] },
  }),
  EventStreamStatus: exactly({
    state: { type: 'string', enum: ['off', 'connecting', 'following', 'waiting'] },
    reason: stringOrNull,
    master: stringOrNull,
    since: time,
    records: count,
    reconnects: count,
    lastRecordAt: timeOrNull,
    heartbeatMs: millisecondsOrNull,
  }),
  ZookeeperStatus: exactly({
    connected: boolean,
    server: stringOrNull,
    servers: strings,
    sessionMs: millisecondsOrNull,
    lastError: {
      anyOf: [exactly({ code: string, message: string, at: time }), { type: 'null' }],
    },
    leader: stringOrNull,
    since: timeOrNull,
  }),
  HoldStatus: exactly({
    reason: string,
    since: time,
    until: timeOrNull,
    missingTasks: count,
    missingAgents: count,
    knownTasks: count,
    share: { type: 'number', minimum: 0 },
    examples: strings,
  }),
  ServicesFileStatus: exactly({ path: string, services: count, problem: stringOrNull }),
  MarathonStatus: exactly({
    state: { type: 'string', enum: ['off', 'ok', 'stale', 'away'] },
    reason: stringOrNull,
    instance: stringOrNull,
    tasks: count,
    unhealthy: count,
    notReady: count,
    lastSuccessAt: timeOrNull,
    consecutiveFailures: count,
    fetches: count,
    rejections: count,
    bus: { type: 'string', enum: ['off', 'connecting', 'following', 'waiting'] },
    events: count,
  }),
  WatchStatus: exactly({
    clients: count,
    events: count,
    closed: { type: 'object', additionalProperties: count },
  }),
  Latency: exactly({
    count,
    lastMs: millisecondsOrNull,
    p50Ms: millisecondsOrNull,
    p99Ms: millisecondsOrNull,
  }),
  SavedStateStatus: exactly({ path: string, takenAt: timeOrNull, error: stringOrNull }),
  GenerationStatus: exactly({
    serial: count,
    publishedAt: time,
    changedAt: time,
    names: count,
    records: count,
    frameworks: count,
    agents: count,
    tasks: count,
    services: count,
    rejections: count,
    stateBytes: count,
    parseMs: milliseconds,
    buildMs: milliseconds,
    tableBytes: count,
  }),
  Vip: exactly({
    vip: string,
    name: stringOrNull,
    fqdn: stringOrNull,
    ...SERVICE_MEMBERS,
    programmed: { type: ['boolean', 'null'] },
    backend: BACKENDS,
  }),
  IpvsTable: exactly({
    services: listOf(
      exactly({
        ...SERVICE_MEMBERS,
        schedulerFlags: count,
        state: { type: 'string', enum: ['desired', 'draining', 'foreign', 'catch-all'] },
        counters: {
          anyOf: [
            exactly({
              connections: count,
              packetsIn: count,
              packetsOut: count,
              bytesIn: count,
              bytesOut: count,
            }),
            { type: 'null' },
          ],
        },
        destinations: listOf(
          exactly({
            address: string,
            port,
            forwarding: { type: 'string', enum: FORWARDING_METHODS },
            weight: count,
            upperThreshold: count,
            lowerThreshold: count,
            activeConnections: count,
            inactiveConnections: count,
            state: { type: 'string', enum: ['desired', 'draining', 'foreign'] },
          }),
        ),
      }),
    ),
    routes: listOf(exactly({ address: string, source: stringOrNull })),
    drift: strings,
  }),
  IpvsPlan: exactly({
    // What else a change has depends on its kind.
    changes: listOf({ type: 'object', properties: { kind: string }, required: ['kind'] }),
    lines: strings,
    ipvsadm: string,
  }),
  TopQueries: exactly({
    sinceSeconds: count,
    names: listOf(reference('NameCount')),
    nxdomain: listOf(reference('NameCount')),
  }),
  NameCount: exactly({ name: string, count }),
  QueryRecord: exactly({
    name: string,
    type: string,
    rcode: string,
    client: string,
    protocol: { type: 'string', enum: ['udp', 'tcp'] },
    bytes: count,
    durationUs: count,
  }),
  Flushed: exactly({ flushed: count }),
  ...WATCH_SCHEMAS,
  VipStatus: exactly({ enabled: boolean, services: count, digest: string }),
  KernelStatus: exactly({
    state: { type: 'string', enum: ['off', 'starting', 'synced', 'degraded'] },
    reasons: strings,
    lastSyncAt: timeOrNull,
    syncMs: { type: ['number', 'null'], minimum: 0 },
    programmed: count,
    services: count,
    destinations: count,
    weightZero: count,
    draining: count,
    changes: count,
    driftRepaired: count,
    errors: { type: 'object', additionalProperties: count },
    source: exactly({ ipv4: stringOrNull, ipv6: stringOrNull }),
    sysctls: listOf(exactly({ name: string, value: stringOrNull, wanted: string, ok: boolean })),
    restarts: count,
  }),
  ListenerStatus: exactly({
    address: string,
    port,
    protocol: { type: 'string', enum: ['udp', 'tcp', 'http'] },
    open: boolean,
    error: stringOrNull,
  }),
  UpstreamStatus: exactly({
    to: string,
    rttMs: { type: ['number', 'null'], minimum: 0 },
    failing: boolean,
    lastFailure: { anyOf: [exactly({ reason: string, at: time }), { type: 'null' }] },
    disabled: boolean,
  }),
  CacheStatus: exactly({
    entries: count,
    bytes: count,
    hotEntries: count,
    hits: count,
    misses: count,
    stale: count,
    prefetches: count,
    flights: count,
    waiters: count,
  }),
  Status: exactly({
    version: string,
    node: string,
    startedAt: time,
    uptimeSeconds: { type: 'number', minimum: 0 },
    ready: boolean,
    summary: string,
    reasons: strings,
    source: reference('SourceStatus'),
    propagation: exactly({ event: PROPAGATED, status: PROPAGATED }),
    servicesFile: { anyOf: [reference('ServicesFileStatus'), { type: 'null' }] },
    marathon: { anyOf: [reference('MarathonStatus'), { type: 'null' }] },
    watch: { anyOf: [reference('WatchStatus'), { type: 'null' }] },
    savedState: { anyOf: [reference('SavedStateStatus'), { type: 'null' }] },
    generation: { anyOf: [reference('GenerationStatus'), { type: 'null' }] },
    listeners: listOf(reference('ListenerStatus')),
    vips: reference('VipStatus'),
    kernel: reference('KernelStatus'),
    udp: exactly({
      threads: count,
      problem: stringOrNull,
      restarts: count,
      threadNice: { type: ['integer', 'null'], minimum: -20, maximum: 19 },
    }),
    forwarding: exactly({
      enabled: boolean,
      upstreams: strings,
      health: listOf(reference('UpstreamStatus')),
      cache: reference('CacheStatus'),
      zones: { type: 'object', additionalProperties: strings },
    }),
  }),
};

/** A JSON answer whose schema has a name, alone or as a list. */
export function jsonOf(description: string, name: string, list?: 'list'): RouteResponse {
  const schema = list === undefined ? reference(name) : listOf(reference(name));
  return { description, contentType: JSON_TYPE, schema };
}

/** Lines of JSON whose schema has a name. */
export function jsonLinesOf(description: string, name: string): RouteResponse {
  return { description, contentType: JSON_LINES_TYPE, schema: reference(name) };
}

/** Server-sent events whose data is JSON of one of these schemas. */
export function eventsOf(description: string, names: readonly string[]): RouteResponse {
  const schema = { anyOf: names.map(reference) };
  return { description, contentType: EVENT_STREAM_TYPE, schema };
}

/** A JSON answer whose members are described elsewhere. */
export function anyJson(description: string): RouteResponse {
  return { description, contentType: JSON_TYPE, schema: { type: 'object' } };
}

/** A text answer. */
export function textOf(description: string, contentType = 'text/plain'): RouteResponse {
  return { description, contentType, schema: string };
}
