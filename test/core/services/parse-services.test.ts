import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import { PROBLEMS_MAX } from '../../../src/core/config/problem-list.ts';
import {
  ALL_ENDPOINTS_MAX,
  ENDPOINTS_MAX,
  parseServices,
  PORTS_MAX,
  SERVICES_MAX,
} from '../../../src/core/services/parse-services.ts';
import { servicesJson, type StaticService } from '../../../src/core/services/static-service.ts';
import { fencedBlocks } from '../../support/markdown.ts';
import { readProjectFile } from '../../support/project.ts';

const parse = (file: unknown): ReturnType<typeof parseServices> =>
  parseServices(JSON.stringify(file));

/** The services of a file without mistakes, as a file says them in full. */
function meaning(file: unknown): unknown {
  const { services, problems } = parse(file);
  assert.deepEqual(problems, []);
  return (servicesJson(services ?? []) as { services: unknown }).services;
}

/** Services with these endpoints, and what is said about them. */
function problemsOf(...services: readonly unknown[]): string[] {
  return parse({ services }).problems.map(({ path, message }) => `${path}: ${message}`);
}

const service = (more: object): object => ({ name: 'db', endpoints: ['10.9.0.5'], ...more });
const endpoint = (more: object): object => service({ endpoints: [more] });
const port = (more: object): object => service({ ports: [more] });

describe('a services file', () => {
  test('says in full what it leaves to defaults', () => {
    assert.deepEqual(meaning({ services: [{ name: 'DB', endpoints: ['10.9.0.5'] }] }), [
      {
        name: 'db',
        framework: 'static',
        endpoints: [{ address: '10.9.0.5', ports: [], healthy: true }],
      },
    ]);
  });

  test('may give ports to all endpoints of a service, and others to one', () => {
    const [db] = parse({
      services: [
        service({
          ports: [{ name: 'PG', number: 5432, vip: '/db:5432' }],
          endpoints: [
            { host: 'DB1.Example.com.' },
            { address: 'FD00::0001', ports: [{ number: 53, protocol: 'udp' }], healthy: false },
            { address: '10.9.0.6', weight: 7 },
          ],
        }),
      ],
    }).services!;
    const pg = { name: 'pg', number: 5432, protocol: 'tcp' };
    const vip = { key: 'VIP', value: '/db:5432' };
    assert.deepEqual(db?.endpoints, [
      {
        path: 'services[0].endpoints[0]',
        place: 'db1.example.com',
        ports: [{ ...pg, labels: [vip] }],
        healthy: true,
      },
      {
        path: 'services[0].endpoints[1]',
        place: parseIpAddress('fd00::1'),
        ports: [{ name: '', number: 53, protocol: 'udp', labels: [] }],
        healthy: false,
      },
      {
        path: 'services[0].endpoints[2]',
        place: parseIpAddress('10.9.0.6'),
        ports: [{ ...pg, labels: [vip, { key: 'HOPLITE_WEIGHT', value: '7' }] }],
        healthy: true,
      },
    ]);
  });

  test('may have an endpoint twice at one address with different ports', () => {
    const at = (number: number): object => ({ address: '10.9.0.5', ports: [{ number }] });
    assert.deepEqual(problemsOf(service({ endpoints: [at(1), at(2)] })), []);
    assert.deepEqual(problemsOf(service({ endpoints: [at(1), at(1)] })), [
      'services[0].endpoints[1]: is at the same place as services[0].endpoints[0]; remove one of them',
    ]);
  });

  test('weight takes the place of the label of its ports', () => {
    const weights = [{ address: '10.9.0.5', weight: 0 }];
    const [one] = parse({
      services: [
        service({ ports: [{ number: 1, labels: { HOPLITE_WEIGHT: '9' } }], endpoints: weights }),
      ],
    }).services!;
    assert.deepEqual(one?.endpoints[0]?.ports[0]?.labels, [{ key: 'HOPLITE_WEIGHT', value: '0' }]);
  });

  test('the example and the one in the documentation are good', () => {
    const [documented] = fencedBlocks(readProjectFile('docs/services-file.md')).filter(
      ({ info }) => info === 'json services',
    );
    for (const text of [readProjectFile('config/services.example.json'), documented?.text]) {
      const { services, problems } = parseServices(text ?? '');
      assert.deepEqual(problems, []);
      assert.ok((services?.length ?? 0) >= 2);
    }
  });
});

describe('what is no services file', () => {
  for (const [text, message] of [
    ['', /^is not JSON at 1:1/],
    ['{"services": [', /^is not JSON at 1:15/],
    ['[]', /^expected a JSON object, found a list/],
    ['{}', /^expected a list of services/],
    ['{"services": null}', /^expected a list of services, found null/],
    ['{"services": {}}', /^expected a list of services, found an object/],
  ] as const) {
    test(`${JSON.stringify(text)} says nothing about services`, () => {
      const { services, problems } = parseServices(text);
      assert.equal(services, null);
      assert.match(problems.at(-1)?.message ?? '', message);
    });
  }

  test('an empty list takes all services away', () => {
    assert.deepEqual(parseServices('{"services": []}'), { services: [], problems: [] });
  });
});

describe('a mistake', () => {
  for (const [what, entry, expected] of [
    ['no object', 7, 'services[0]: expected an object, found 7'],
    ['no name', { endpoints: [] }, 'services[0].name: is missing'],
    ['no endpoints', { name: 'db' }, 'services[0].endpoints: is missing'],
    [
      'a misspelt key',
      { name: 'db', endpoint: [] },
      'services[0].endpoint: is not a key here; did you mean "endpoints"?',
    ],
    [
      'an odd key',
      service({ zzz: 1 }),
      'services[0].zzz: is not a key here; there are name, framework, ports, endpoints',
    ],
    ['a name of nothing', service({ name: '-_-' }), /^services\[0\]\.name: expected at least one/],
    ['a long label', service({ name: 'x'.repeat(64) }), /^services\[0\]\.name: expected a domain/],
    [
      'VIPs as framework',
      service({ framework: 'a.l4lb' }),
      /^services\[0\]\.framework: is a name of/,
    ],
    [
      'agents as framework',
      service({ framework: 'SLAVE' }),
      /^services\[0\]\.framework: is a name of/,
    ],
    [
      'a master as framework',
      service({ framework: 'master0' }),
      /^services\[0\]\.framework: is a name/,
    ],
    [
      'a framework of nothing',
      service({ framework: '_' }),
      /^services\[0\]\.framework: has no letter/,
    ],
    [
      'no list',
      service({ endpoints: 5 }),
      'services[0].endpoints: expected a list, found a number',
    ],
    [
      'a name as address',
      endpoint({ address: 'db1' }),
      'services[0].endpoints[0].address: expected an IP address, found "db1"; a name goes into "host"',
    ],
    [
      'an address as name',
      endpoint({ host: 'fd00::1' }),
      'services[0].endpoints[0].host: expected the name of a host, found "fd00::1"; an address goes into "address"',
    ],
    [
      'nothing at all',
      endpoint({}),
      /endpoints\[0\]\.address: is missing; a name goes into "host"$/,
    ],
    ['both', endpoint({ address: '10.0.0.1', host: 'a' }), /\.host: stands beside "address"/],
    ['a network', endpoint({ address: '0.0.0.0' }), /address: expected the address of one machine/],
    ['multicast', endpoint({ address: 'ff02::1' }), /address: expected the address of one machine/],
    [
      'broadcast',
      service({ endpoints: ['255.255.255.255'] }),
      /endpoints\[0\]: expected the address/,
    ],
    [
      'no host name',
      service({ endpoints: ['a b'] }),
      /endpoints\[0\]: expected the name of a host/,
    ],
    ['a port in a name', service({ endpoints: ['a:1'] }), /endpoints\[0\]: expected the name of/],
    [
      'a word for a truth',
      endpoint({ address: '10.0.0.1', healthy: 'no' }),
      /healthy: expected true/,
    ],
    [
      'a great weight',
      endpoint({ address: '10.0.0.1', weight: 65_536 }),
      /weight: expected a whole/,
    ],
    ['port 0', port({ number: 0 }), /services\[0\]\.ports\[0\]\.number: expected a whole number/],
    ['no number', port({ name: 'x' }), 'services[0].ports[0].number: is missing'],
    ['a dotted port', port({ number: 1, name: 'a.b' }), /ports\[0\]\.name: expected at most 63/],
    [
      'two protocols',
      port({ number: 1, protocol: 'tcp,udp' }),
      /protocol: expected one of "tcp", /,
    ],
    ['a VIP without port', port({ number: 1, vip: '/db' }), /vip: expected \/name:port or address/],
    ['a VIP of no port', port({ number: 1, vip: '/db:0' }), /vip: expected a port from 1 to 65535/],
    ['a VIP of no name', port({ number: 1, vip: '/:80' }), /vip: expected letters or digits/],
    ['a number as VIP', port({ number: 1, vip: 80 }), /vip: expected \/name:port .*, found 80/],
    [
      'a VIP twice',
      port({ number: 1, vip: '/a:1', labels: { VIP: '/b:1' } }),
      /vip: is the label VIP, which is given too/,
    ],
    [
      'a misspelt label',
      port({ number: 1, labels: { VPI_0: '/a:1' } }),
      'services[0].ports[0].labels.VPI_0: is no label for VIPs; they begin with VIP or HOPLITE_',
    ],
    [
      'an unknown option',
      port({ number: 1, labels: { HOPLITE_WIGHT: '1' } }),
      'services[0].ports[0].labels.HOPLITE_WIGHT: is not a label of hoplite',
    ],
    [
      'a bad option',
      port({ number: 1, labels: { HOPLITE_SCHEDULER: 'best' } }),
      'services[0].ports[0].labels.HOPLITE_SCHEDULER: cannot be "best"',
    ],
    [
      'no text',
      port({ number: 1, labels: { VIP_0: 1 } }),
      /labels\.VIP_0: expected a text, found 1/,
    ],
    ['a list of labels', port({ number: 1, labels: [] }), /labels: expected an object of fewer/],
  ] as const) {
    test(`${what} is reported once, with its place`, () => {
      const [found, ...more] = problemsOf(entry);
      if (typeof expected === 'string') assert.ok((found ?? '').startsWith(expected), found);
      else assert.match(found ?? '', expected);
      assert.ok(more.length === 0 || what === 'a misspelt key', more.join('\n'));
    });
  }

  test('a key that is given twice is reported', () => {
    const text = '{"services": [{"name": "a", "name": "b", "endpoints": []}]}';
    const { services, problems } = parseServices(text);
    assert.deepEqual(services, []);
    assert.equal(problems[0]?.path, 'services[0].name');
  });

  test('takes away the smallest entry that it is in, and nothing else', () => {
    const good = { name: 'good', endpoints: ['10.0.0.1'] };
    const mixed = service({
      ports: [{ number: 1 }, { number: 0 }, { number: 1 }],
      endpoints: [{ address: '10.0.0.1' }, { address: '10.0.0' }, { adress: '10.0.0.3' }],
    });
    const { services, problems } = parse({ services: [{ name: 'bad' }, mixed, good, 1], more: 1 });
    assert.deepEqual(
      services?.map(({ path, endpoints }) => [path, endpoints.map((one) => one.ports.length)]),
      [
        ['services[1]', [1]],
        ['services[2]', [0]],
      ],
    );
    assert.equal(problems.length, 7, JSON.stringify(problems, null, 1));
  });

  test('two services of one name are one too many, however they are written', () => {
    const twice = problemsOf(service({ name: 'my_db' }), service({ name: 'MY-DB' }));
    const message = 'is that of services[0], too; put the endpoints into one service';
    assert.deepEqual(twice, [`services[1].name: ${message}`]);
    assert.deepEqual(problemsOf(service({}), service({ framework: 'other' })), []);
  });

  test('a bad service does not take the name away from a good one', () => {
    const { services } = parse({ services: [{ name: 'db' }, service({})] });
    assert.deepEqual(
      services?.map(({ path }) => path),
      ['services[1]'],
    );
  });

  test('loopback is a warning', () => {
    const { services, problems } = parse({ services: [service({ endpoints: ['127.0.0.1'] })] });
    assert.equal(services?.[0]?.endpoints.length, 1);
    assert.deepEqual(
      problems.map(({ severity, path }) => [severity, path]),
      [['warning', 'services[0].endpoints[0]']],
    );
  });
});

describe('bounds', () => {
  const many = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);

  test('services beyond the bound are left out', () => {
    const services = Array.from({ length: SERVICES_MAX + 2 }, (_, i) => ({
      name: `s${i}`,
      endpoints: [],
    }));
    const parsed = parse({ services });
    assert.equal(parsed.services?.length, SERVICES_MAX);
    assert.deepEqual(
      parsed.problems.map(({ path }) => path),
      ['services'],
    );
  });

  test('endpoints beyond the bound of a service and of all are left out', () => {
    const of = (count: number, i: number): object =>
      service({ name: `s${i}`, endpoints: many(count) });
    const one = parse({ services: [of(ENDPOINTS_MAX + 1, 0)] });
    assert.equal(one.services?.[0]?.endpoints.length, ENDPOINTS_MAX);
    assert.match(one.problems[0]?.message ?? '', /^has 1001 entries; those after the first 1000/);
    const full = ALL_ENDPOINTS_MAX / ENDPOINTS_MAX;
    const all = parse({
      services: Array.from({ length: full + 2 }, (_, i) => of(ENDPOINTS_MAX, i)),
    });
    const counts = all.services?.map(({ endpoints }) => endpoints.length) ?? [];
    assert.deepEqual(counts.slice(full - 1), [ENDPOINTS_MAX, 0, 0]);
    assert.equal(all.problems.length, 2);
  });

  test('ports beyond the bound are left out', () => {
    const ports = Array.from({ length: PORTS_MAX + 1 }, (_, i) => ({ number: i + 1 }));
    const { services, problems } = parse({ services: [service({ ports })] });
    assert.deepEqual([services?.length, problems.length], [1, 1]);
    assert.equal(services?.[0]?.endpoints[0]?.ports.length, PORTS_MAX);
  });

  test('a file of nothing but mistakes is read to its end', () => {
    const services = Array.from({ length: SERVICES_MAX }, () => ({ a: 1, b: 2, c: 3 }));
    const { problems } = parse({ services });
    assert.equal(problems.length, PROBLEMS_MAX + 1);
    assert.match(problems.at(-1)?.message ?? '', /more problems are not shown$/);
  });
});

const word = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const address = fc.oneof(fc.ipV4(), fc.ipV6()).filter((text) => parseIpAddress(text) !== null);
const staticPort = fc.record(
  {
    name: word,
    number: fc.integer({ min: 1, max: 65_535 }),
    protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
    vip: word.map((name) => `/${name}:80`),
    labels: fc.dictionary(
      fc.constantFrom('VIP_0', 'vip1', 'HOPLITE_WEIGHT'),
      fc.constantFrom('/a:1', '10.208.0.1:80', '5'),
    ),
  },
  { requiredKeys: ['number'] },
);
const staticEndpoint = fc.oneof(
  address,
  word.map((name) => `${name}.example`),
  fc.record(
    {
      address,
      weight: fc.nat(70_000),
      healthy: fc.boolean(),
      ports: fc.array(staticPort, { maxLength: 3 }),
    },
    { requiredKeys: ['address'] },
  ),
);
const staticFile = fc.record({
  services: fc.array(
    fc.record(
      {
        name: word,
        framework: fc.constantFrom('static', 'marathon', 'a.b'),
        ports: fc.array(staticPort, { maxLength: 3 }),
        endpoints: fc.array(staticEndpoint, { maxLength: 4 }),
      },
      { requiredKeys: ['name', 'endpoints'] },
    ),
    { maxLength: 5 },
  ),
});

/** Any JSON, with the keys of the format at any place. */
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, 0, 5432, -1, 1e99, '', 'db', '10.0.0.1', 'fd00::1', '/a:80'),
    fc.string(),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(
        fc.constantFrom('services', 'name', 'framework', 'ports', 'endpoints', 'address', 'host'),
        fc.constantFrom('number', 'protocol', 'labels', 'vip', 'weight', 'healthy', 'VIP_0'),
        fc.constantFrom('HOPLITE_WEIGHT', '__proto__', 'constructor'),
      ),
      tie('tree'),
      { maxKeys: 5 },
    ),
  ),
}));

/** Without the places in the file, which move when something is left out. */
function withoutPaths(services: readonly StaticService[]): unknown {
  return JSON.parse(
    JSON.stringify(services, (key, value: unknown) => (key === 'path' ? undefined : value)),
  );
}

describe('laws', () => {
  test('no text and no JSON throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          tree.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (text) => {
          const { services, problems } = parseServices(text);
          assert.ok(services !== null || problems.length > 0);
        },
      ),
    );
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 5 }), (services) => {
        assert.notEqual(parse({ services }).services, null);
      }),
    );
  });

  test('what is written in full is read as the same, without problems', () => {
    fc.assert(
      fc.property(staticFile, (file) => {
        const once = parse(file).services;
        assert.ok(once !== null);
        const again = parse(servicesJson(once));
        assert.deepEqual(
          again.problems.filter(({ severity }) => severity === 'error'),
          [],
        );
        assert.deepEqual(withoutPaths(again.services ?? []), withoutPaths(once));
      }),
    );
  });

  test('a bad service changes no other', () => {
    fc.assert(
      fc.property(staticFile, tree, fc.nat(5), (file, bad, at) => {
        const isService = typeof bad === 'object' && bad !== null && 'name' in bad;
        fc.pre(!isService);
        const spoilt = file.services.toSpliced(at, 0, bad as never);
        assert.deepEqual(
          withoutPaths(parse({ services: spoilt }).services ?? []),
          withoutPaths(parse(file).services ?? []),
        );
      }),
    );
  });
});
