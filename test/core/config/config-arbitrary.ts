import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { Upstream } from '../../../src/core/base/upstream.ts';
import type { Config, SocketAddress } from '../../../src/core/config/config.ts';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import {
  parsePrefix,
  type Prefix,
  prefixAround,
  prefixesOverlap,
} from '../../../src/core/base/prefix.ts';
import { isWithin } from '../../../src/core/config/config-name.ts';
import { SCHEDULERS } from '../../../src/core/ipvs/table.ts';

/** fast-check arbitraries: any valid configuration, and files that are nearly valid. */

const port = fc.integer({ min: 1, max: 65535 });
const listenPort = fc.integer({ min: 0, max: 65535 });
const address = fc
  .oneof(fc.ipV4(), fc.ipV6())
  .map((text) => parseIpAddress(text)?.text)
  .filter((text) => text !== undefined);
const label = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const hostName = name.filter((text) => !/(^|\.)(\d+|0x[0-9a-f]*)$/.test(text));
const host = fc.oneof(address, hostName);
const seconds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const path = fc.string({ minLength: 1, maxLength: 30 });

function durationMs(maximumSeconds: number): fc.Arbitrary<number> {
  return fc.integer({ min: 100, max: maximumSeconds * 1000 });
}

const list = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> =>
  fc.uniqueArray(item, { minLength: 1, maxLength: 4, selector: (value) => JSON.stringify(value) });

const socketAddresses = (ports: fc.Arbitrary<number>): fc.Arbitrary<readonly SocketAddress[]> =>
  list(fc.record({ address, port: ports }));

/** Follows from the address, as one address must not be two servers. */
function overTls({ address: text, port: number }: SocketAddress): Upstream {
  const pins = [createHash('sha256').update(text).digest('base64')];
  const serverName = `server-${text.replace(/[^0-9a-f]/g, '-')}`;
  const tls = number % 3 === 0 ? { name: serverName, pins: [] } : { name: null, pins };
  return { address: text, port: number, tls: number % 3 === 1 ? { name: serverName, pins } : tls };
}

/** Resolvers over UDP and TCP, or over TLS. */
const upstreams: fc.Arbitrary<readonly Upstream[]> = fc
  .tuple(socketAddresses(port), fc.boolean())
  .map(([plain, isTls]) => (isTls ? plain.map(overTls) : plain));

const tls = fc.oneof(
  fc.constant(null),
  fc.record({
    caFile: fc.option(path),
    certFile: fc.constant(null),
    keyFile: fc.constant(null),
  }),
  fc.record({ caFile: fc.option(path), certFile: path, keyFile: path }),
);

/** Secrets that no message, view or text contains by chance. */
export const secret: fc.Arbitrary<string> = fc
  .stringMatching(/^[A-Za-z0-9"\\ ]{8,20}$/)
  .map((text) => `s3cr3t-${text}`);

const auth = fc.oneof(
  fc.constant({ kind: 'none' as const }),
  fc.record({ kind: fc.constant('basic' as const), principal: fc.string(), secret }),
  fc.record({ kind: fc.constant('iam' as const), configFile: path }),
);

const servers = list(fc.record({ host, port }));

const zookeeper = fc.record({
  servers,
  path: fc.oneof(
    fc.constant('/'),
    fc
      .array(fc.stringMatching(/^[a-z0-9 @:%._-]{3,9}$/), { minLength: 1, maxLength: 3 })
      .map((parts) => `/${parts.join('/')}`)
      .filter((text) => !/\/\.\.?(\/|$)/.test(text)),
  ),
  auth: fc.option(
    fc.record({
      user: fc.string({ minLength: 1, maxLength: 9 }).filter((text) => !text.includes(':')),
      password: secret,
    }),
  ),
});

const cluster = fc
  .record({
    masters: fc.oneof(fc.constant([]), servers),
    zookeeper: fc.option(zookeeper),
    events: fc.record({
      follow: fc.constantFrom('auto' as const, 'always' as const, 'never' as const),
      agentsMax: fc.integer({ min: 1, max: 102_400 }),
    }),
    trust: fc.record({
      lossShare: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
      holdMs: fc.integer({ min: 0, max: 86_400_000 }),
    }),
    servicesFile: fc.option(path),
    savedState: fc.option(path),
    marathon: fc.option(fc.record({ instances: servers, tls, auth, framework: path })),
    pollIntervalMs: durationMs(86_400),
    requestTimeoutMs: durationMs(3600),
    stateBytesMax: fc.integer({ min: 4096, max: 2 ** 29 - 24 }),
    tls,
    auth,
  })
  .filter(({ masters, zookeeper: ensemble }) => masters.length > 0 || ensemble !== null);

/** Blocks in one of some larger ones, from as large as `lengthMin` to as small as `lengthMax`. */
function blocksIn(
  lengthMin: number,
  lengthMax: number,
  ...outer: readonly string[]
): fc.Arbitrary<Prefix> {
  return fc
    .tuple(
      fc.constantFrom(...outer.map((text) => parsePrefix(text)).filter((block) => block !== null)),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.integer({ min: lengthMin, max: lengthMax }),
    )
    .map(([{ family, bytes, length }, random, wanted]) => {
      const octets = bytes.map((octet, i) => {
        const free = 0xff >>> Math.min(8, Math.max(0, length - 8 * i));
        return octet | (random[i]! & free);
      });
      return prefixAround(
        { family, bytes: octets },
        Math.min(8 * bytes.length, Math.max(length, wanted)),
      );
    });
}

const blocks = (item: fc.Arbitrary<Prefix>): fc.Arbitrary<readonly Prefix[]> =>
  fc.uniqueArray(item, { maxLength: 3, selector: ({ text }) => text });

/** Prefixes of clients, from everyone to one. */
const clients = (minLength: 0 | 1): fc.Arbitrary<readonly Prefix[]> =>
  fc.uniqueArray(blocksIn(0, 128, '0.0.0.0/0', '10.0.0.0/8', '::/0', 'fc00::/7'), {
    minLength,
    maxLength: 3,
    selector: ({ text }) => text,
  });

const dns = fc.record({
  enabled: fc.constant(true),
  domain: name,
  listen: socketAddresses(listenPort),
  ttlSeconds: seconds,
  srvWeight: fc.integer({ min: 0, max: 65535 }),
  soa: fc.record({
    mname: name.map((text) => `${text}.`),
    rname: name.map((text) => `dns+mesos.${text}.`),
    refreshSeconds: seconds,
    retrySeconds: seconds,
    expireSeconds: seconds,
    minimumSeconds: seconds,
  }),
  udpPayloadSize: fc.integer({ min: 512, max: 4096 }),
  recursionAvailable: fc.boolean(),
  truncateBit: fc.boolean(),
  udpThreads: fc.oneof(fc.constant('auto' as const), fc.integer({ min: 0, max: 64 })),
  allow: clients(1),
  serverId: fc.stringMatching(/^[ -~]{0,255}$/),
  chaos: fc.boolean(),
  cookieSecret: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 })),
  rateLimit: fc.record({
    responsesPerSecond: fc.integer({ min: 0, max: 1_000_000 }),
    errorsPerSecond: fc.integer({ min: 0, max: 1_000_000 }),
    exempt: clients(0),
  }),
});

const zones = fc
  .uniqueArray(fc.record({ zone: name, upstreams }), {
    maxLength: 4,
    selector: ({ zone }) => zone,
  })
  .map((unsorted) => unsorted.toSorted((a, b) => (a.zone < b.zone ? -1 : 1)));

const forward = fc.record({
  enabled: fc.boolean(),
  upstreams: fc.oneof(fc.constant('system' as const), upstreams),
  zones,
  allow: clients(1),
  policy: fc.constantFrom('race' as const, 'sequential' as const, 'round-robin' as const),
  timeoutMs: durationMs(60),
  deadlineMs: durationMs(60),
  cache: fc.record({
    bytesMax: fc.integer({ min: 0, max: 2 ** 30 }),
    ttlSecondsMin: fc.integer({ min: 0, max: 300 }),
    ttlSecondsMax: fc.integer({ min: 300, max: 604_800 }),
    negativeTtlSecondsMax: fc.integer({ min: 0, max: 86_400 }),
    staleSeconds: fc.integer({ min: 0, max: 604_800 }),
    prefetch: fc.boolean(),
  }),
  blockPrivate: fc.boolean(),
  blockPrivateExcept: fc.uniqueArray(name, { maxLength: 3 }),
  specialNames: fc.constantFrom('local' as const, 'forward' as const),
  privateReverse: fc.constantFrom('local' as const, 'forward' as const),
});

/** Blocks that share no address. */
const pool = (item: fc.Arbitrary<Prefix>): fc.Arbitrary<readonly Prefix[]> =>
  blocks(item).map((all) =>
    all.filter((block, i) => !all.slice(0, i).some((other) => prefixesOverlap(other, block))),
  );

const vip = fc
  .record({
    enabled: fc.boolean(),
    pool: pool(blocksIn(8, 30, '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16')),
    poolIpv6: pool(blocksIn(48, 112, 'fd00::/8')),
    exclude: blocks(blocksIn(8, 128, '10.0.0.0/8', 'fd12::/16')),
    ranges: blocks(blocksIn(24, 32, '203.0.113.0/24', '10.0.0.0/8')),
    aliasDomains: fc.uniqueArray(name, { maxLength: 2 }),
    auto: fc.boolean(),
    scheduler: fc.constantFrom(...SCHEDULERS),
  })
  .filter(({ pool: ipv4, poolIpv6, ranges }) => [...ipv4, ...poolIpv6, ...ranges].length > 0)
  .filter(
    ({ aliasDomains: [first = '', second = '.'] }) =>
      !isWithin(first, second) && !isWithin(second, first),
  );

const kernel = fc.record({
  enabled: fc.boolean(),
  interface: fc.stringMatching(/^[a-z][a-z0-9._@-]{3,12}$/).filter((text) => text !== 'default'),
  nodeAddress: fc.record({
    ipv4: fc.constantFrom(null, '192.0.2.7'),
    ipv6: fc.constantFrom(null, '2001:db8::7'),
  }),
  reconcileIntervalMs: fc.integer({ min: 1000, max: 3_600_000 }),
  drainMs: fc.integer({ min: 0, max: 86_400_000 }),
  sysctls: fc.constantFrom('set' as const, 'report' as const),
  snat: fc.boolean(),
});

/** Any configuration that a native file can say. */
export const anyConfig: fc.Arbitrary<Config> = fc
  .record({
    format: fc.constantFrom('native' as const, 'mesos-dns' as const),
    file: fc.string(),
    cluster,
    dns,
    names: fc.record({
      labels: fc.constantFrom('rfc1123' as const, 'rfc952' as const),
      addresses: fc.oneof(
        fc.constant('by-network' as const),
        list(fc.constantFrom('host' as const, 'docker' as const, 'mesos' as const)),
      ),
      unhealthy: fc.constantFrom('avoid' as const, 'publish' as const),
      inactive: fc.constantFrom('publish' as const, 'omit' as const),
      locations: fc.boolean(),
    }),
    vip,
    kernel,
    forward,
    http: fc.record({
      enabled: fc.boolean(),
      listen: fc.record({ host, port: listenPort }),
      enumeration: fc.boolean(),
    }),
    log: fc.record({
      level: fc.constantFrom('trace' as const, 'info' as const, 'error' as const),
      querySample: fc.double({ min: 0, max: 1, noNaN: true }).map((share) => share + 0),
    }),
  })
  .filter(({ dns: { domain }, forward }) =>
    forward.zones.every(({ zone }) => zone !== domain && !zone.endsWith(`.${domain}`)),
  )
  .filter(({ dns: { domain }, forward, vip: { aliasDomains } }) =>
    aliasDomains.every(
      (alias) =>
        !isWithin(alias, domain) && !forward.zones.some(({ zone }) => isWithin(zone, alias)),
    ),
  )
  // The records of fast-check have no prototype; those of the parser do.
  .map((config) => structuredClone(config));

const mesosName = name.map((text) => text.replaceAll('_', '-').toUpperCase());
const resolvers = list(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('10.9.8.7:5353')));

/** Mesos-DNS files of which most are good; some break a rule by chance. */
export const mesosDnsFile: fc.Arbitrary<Record<string, unknown>> = fc
  .record(
    {
      refreshSeconds: fc.integer({ min: 1, max: 200_000 }),
      stateTimeoutSeconds: fc.integer({ min: 1, max: 5000 }),
      ttl: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      domain: mesosName,
      port: listenPort,
      listener: address,
      HTTPListener: host,
      httpport: listenPort,
      httpon: fc.boolean(),
      externalon: fc.boolean(),
      recurseon: fc.boolean(),
      resolvers: fc.oneof(resolvers, fc.constant([])),
      zoneResolvers: fc.dictionary(mesosName, resolvers, { maxKeys: 3 }),
      timeout: fc.integer({ min: 0, max: 100 }),
      IPSources: list(fc.constantFrom('host', 'docker', 'mesos', 'netinfo')),
      EnforceRFC952: fc.boolean(),
      SetTruncateBit: fc.boolean(),
      EnumerationOn: fc.boolean(),
      SRVRecordDefaultWeight: fc.integer({ min: 0, max: 65535 }),
      SOAMname: name,
      SOARname: name.map((text) => `root@${text}.`),
      SOARefresh: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      SOAMinttl: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      MesosHTTPSOn: fc.boolean(),
      CACertFile: fc.string({ maxLength: 10 }),
      mesosAuthentication: fc.constantFrom('', 'basic'),
      mesosCredentials: fc.record({ principal: fc.string(), secret }),
    },
    { requiredKeys: ['mesosCredentials'] },
  )
  .chain((file) =>
    fc
      .constantFrom(
        { masters: ['10.0.0.1:5050', 'master-2:5050'] },
        { masters: ['10.0.0.1:5050'], zk: 'zk://dns:s3cr3t-%2f@zk1,zk2:2182/mesos/' },
        { zk: 'zk://[2001:db8::1],zk2/' },
      )
      .map((source) => ({ ...source, ...file })),
  );
