import fc from 'fast-check';
import { NAME_BYTES_MAX } from '../../src/core/dns/constants.ts';
import { buildMessage } from './dns-message.ts';
import { type AnyRecord, POINTER } from './small-zone.ts';
import {
  agent,
  agentId,
  discovery,
  framework,
  type Json,
  masterState,
  network,
  port,
  running,
  task,
} from './state-builder.ts';

// Names.

/** A wire name of any octets, up to the longest. */
export const wireNames: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }) },
      { weight: 1, arbitrary: fc.uint8Array({ minLength: 60, maxLength: 63 }) },
    ),
    { maxLength: 8 },
  )
  .map((labels) => {
    let size = 1;
    const fitting = labels.filter((label) => {
      const fits = size + 1 + label.length <= NAME_BYTES_MAX;
      if (fits) size += 1 + label.length;
      return fits;
    });
    const parts = fitting.map((label) => Buffer.concat([Buffer.from([label.length]), label]));
    return new Uint8Array(Buffer.concat([...parts, Buffer.from([0])]));
  });

const LABELS = ['a', 'b', 'web', 'x1', '_tcp', '-', 'sp ace', 'a;b', 'c'.repeat(63)] as const;

/** A name that can be published, often one of few, in or below `zone`. */
export function ownerNames(zone: string): fc.Arbitrary<string> {
  return fc
    .array(fc.constantFrom(...LABELS), { maxLength: 3 })
    .map((labels) => [...labels, zone].join('.'));
}

/** Text that is nearly a name: long, empty or odd labels, with and without final dot. */
export const nearlyNames: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom('', 'a', 'A', 'é', '\u0000', '\u007f', '~', ' ', 'c'.repeat(62)),
      fc.constantFrom('c'.repeat(63), 'c'.repeat(64), '_web', '\\', '日本'),
      fc.string({ maxLength: 3 }),
    ),
    { maxLength: 6 },
  )
  .chain((labels) => fc.constantFrom(labels.join('.'), `${labels.join('.')}.`));

// States.

const addressTexts = fc.constantFrom('9.0.1.1', '9.0.1.2', '9.0.1.3', 'fd00::1', 'fd00::2');
const taskNames = fc.constantFrom('web', 'Web', 'api.prod', 'db', '日本', 'x'.repeat(70), 'a_b');
const protocols = fc.constantFrom('tcp', 'udp', 'tcp,udp', '', 'TCP', 'sctp');

const discoveryPorts: fc.Arbitrary<Json> = fc
  .record({
    number: fc.constantFrom(0, 80, 8080, 31_000, 65_535),
    protocol: protocols,
    name: fc.option(fc.constantFrom('http', 'My Port', ''), { nil: undefined }),
    scope: fc.option(fc.constantFrom('host', 'container'), { nil: undefined }),
  })
  .map(({ number, protocol, name, scope }) => port(number, protocol, name, scope));

const containers = fc.constantFrom<Json>(
  {},
  { container: { docker: { network: 'BRIDGE' } } },
  { container: { docker: { network: 'HOST' } } },
  { container: { docker: { network: 'USER' }, network_infos: [{ name: 'dcos' }] } },
);

/** Tasks that are running and well formed, on one of `agents` agents. */
export function goodTasks(agents: number): fc.Arbitrary<Json> {
  return fc
    .record({
      id: fc.integer({ min: 0, max: 9999 }),
      name: taskNames,
      agent: fc.nat(agents - 1),
      ports: fc.constantFrom('', '[]', '[31000-31001]', '[31005-31005, 31007-31007]'),
      addresses: fc.uniqueArray(addressTexts, { maxLength: 3 }),
      healthy: fc.option(fc.boolean(), { nil: undefined }),
      container: containers,
      discovery: fc.option(fc.tuple(taskNames, fc.array(discoveryPorts, { maxLength: 3 })), {
        nil: undefined,
      }),
    })
    .map((parts) =>
      task(parts.name, {
        id: `task-${parts.id}`,
        slave_id: agentId(parts.agent),
        resources: { ports: parts.ports },
        statuses: [
          running(
            [network(parts.addresses)],
            parts.healthy === undefined ? {} : { healthy: parts.healthy },
          ),
        ],
        ...(parts.discovery === undefined
          ? {}
          : { discovery: discovery(parts.discovery[0], ...parts.discovery[1]) }),
        ...parts.container,
      }),
    );
}

/** A cluster as masters describe it, taken apart so that tests can shuffle and spoil it. */
export interface Cluster {
  readonly agents: readonly Json[];
  readonly frameworks: readonly { readonly entry: Json; readonly tasks: readonly Json[] }[];
}

export const clusters: fc.Arbitrary<Cluster> = fc.integer({ min: 1, max: 4 }).chain((agents) =>
  fc.record({
    agents: fc.constant(Array.from({ length: agents }, (_, i) => agent(i))),
    frameworks: fc.array(
      fc.record({
        entry: fc
          .record({
            name: fc.constantFrom('marathon', 'Marathon', 'chronos', 'a.b', 'leader'),
            pid: fc.option(fc.constantFrom('s@10.0.0.50:9000', 's@10.0.0.51:9000'), {
              nil: undefined,
            }),
          })
          .map(({ name, pid }) => framework(name, [], pid === undefined ? {} : { pid })),
        tasks: fc.array(goodTasks(agents), { maxLength: 5 }),
      }),
      { maxLength: 3 },
    ),
  }),
);

export function stateOf({ agents, frameworks }: Cluster): Json {
  return masterState(
    frameworks.map(({ entry, tasks }) => ({ ...entry, tasks })),
    { slaves: agents },
  );
}

/** Tasks of which nothing can be published: not running, not whole, or of no known agent. */
export const hopelessTasks: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }).filter((value) => !isRunning(value)),
  goodTasks(1).chain((entry) =>
    fc.constantFrom(
      { ...entry, id: 5 },
      { ...entry, name: null },
      { ...entry, slave_id: [] },
      { ...entry, slave_id: 'unknown-S9' },
      { ...entry, state: 'TASK_KILLING' },
      { ...entry, state: undefined },
    ),
  ),
);

function isRunning(value: unknown): boolean {
  return JSON.stringify(value).includes('TASK_RUNNING');
}

/** Any JSON at any place of a JSON value. */
export function spoiled(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .record({ value: values, place: fc.nat(), other: fc.jsonValue({ maxDepth: 3 }) })
    .map(({ value, place, other }) => {
      const places: (() => void)[] = [];
      const visit = (node: unknown): void => {
        if (typeof node !== 'object' || node === null) return;
        for (const [key, member] of Object.entries(node)) {
          places.push(() => ((node as Json)[key] = other));
          visit(member);
        }
      };
      const copy: unknown = structuredClone(value);
      visit(copy);
      places[place % places.length]?.();
      return copy;
    });
}

/** Any JSON at any of the places of a state that are read. */
export const anyState: fc.Arbitrary<unknown> = spoiled(clusters.map(stateOf));

// Packets.

const QNAMES = ['web.mesos.', 'WEB.mesos.', '_web._tcp.mesos.', 'many.mesos.', 'no.mesos.', 'x.'];

/** Queries as clients send them, for names of a small zone and for others. */
export const goodQueries: fc.Arbitrary<Uint8Array> = fc
  .record({
    id: fc.nat(65_535),
    qname: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(...QNAMES) },
      { weight: 1, arbitrary: wireNames },
    ),
    qtype: fc.constantFrom(1, 2, 6, 16, 28, 33, 41, 252, 255, 65_280),
    qclass: fc.constantFrom(1, 1, 1, 3, 255),
    flags: fc.constantFrom(0, 0x0100, 0x0110, 0x0020),
    opt: fc.option(
      fc.record({
        size: fc.constantFrom(0, 512, 600, 1232, 4096, 65_535),
        version: fc.constantFrom(0, 0, 0, 1),
        flags: fc.constantFrom(0, 0x8000, 0x7fff),
        options: fc.constantFrom(new Uint8Array(0), Buffer.from('000a0008aabbccddeeff0011', 'hex')),
      }),
      { nil: undefined },
    ),
  })
  .map(({ opt, ...message }) => buildMessage(opt === undefined ? message : { ...message, opt }));

/** Good queries with octets changed, inserted, taken out or cut off. */
const mutatedQueries: fc.Arbitrary<Uint8Array> = fc
  .record({
    query: goodQueries,
    changes: fc.array(
      fc.record({
        at: fc.nat(),
        octet: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 12, 63, 64, 0xc0, 0xff)),
        how: fc.constantFrom('replace', 'insert', 'remove', 'cut'),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ query, changes }) => {
    const octets = [...query];
    for (const { at, octet, how } of changes) {
      const index = at % (octets.length + 1);
      if (how === 'cut') octets.length = index;
      else octets.splice(index, how === 'insert' ? 0 : 1, ...(how === 'remove' ? [] : [octet]));
    }
    return Uint8Array.from(octets);
  });

/** Anything that may come in a datagram: garbage, headers that lie, queries nearly or quite good. */
export const packets: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc
    .tuple(fc.uint8Array({ minLength: 10, maxLength: 10 }), fc.uint8Array({ maxLength: 300 }))
    .map(([header, rest]) =>
      Uint8Array.from([...header.subarray(0, 2), 1, 0, ...header.subarray(2), ...rest]),
    ),
  goodQueries,
  mutatedQueries,
);

// Records.

const zoneNames = fc.oneof(
  { weight: 6, arbitrary: ownerNames('mesos.') },
  { weight: 1, arbitrary: ownerNames('example.test.') },
);

/** Records that can be published, in and outside the zone; some twice. */
export const recordSets: fc.Arbitrary<AnyRecord[]> = fc.array(
  fc.record({
    owner: zoneNames,
    address: fc.option(addressTexts),
    target: zoneNames,
    port: fc.constantFrom(0, 80, 8080, 65_535, POINTER),
  }),
  { maxLength: 25 },
);
