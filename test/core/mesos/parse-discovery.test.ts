import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import { parseDiscovery, type ParsedDiscovery } from '../../../src/core/mesos/parse-discovery.ts';
import { discovery, labelled, port } from '../../support/state-builder.ts';

/** What is read, and said to be rejected, with the discovery at `discovery`. */
function read(value: unknown): ParsedDiscovery & { rejections: readonly Rejection[] } {
  const rejections = new RejectionList();
  const parsed = parseDiscovery(value, 'discovery', rejections);
  return { ...parsed, rejections: rejections.items };
}

test('discovery is read with name, ports, protocols and scopes', () => {
  const block = discovery(
    'web.prod',
    port(31_000, 'tcp', 'http', 'host'),
    port(8080, 'tcp,udp', undefined, 'container'),
    port(0, ''),
    { number: 53 },
    {},
  );
  const { discovery: parsed, ports, rejections } = read(block);
  assert.deepEqual(rejections, []);
  assert.deepEqual(parsed, {
    name: 'web.prod',
    ports: [
      { number: 31_000, name: 'http', protocol: 'tcp', scope: 'host', index: 0, labels: [] },
      { number: 8080, name: '', protocol: 'tcp,udp', scope: 'container', index: 1, labels: [] },
      { number: 0, name: '', protocol: '', scope: null, index: 2, labels: [] },
      { number: 53, name: '', protocol: '', scope: null, index: 3, labels: [] },
      { number: 0, name: '', protocol: '', scope: null, index: 4, labels: [] },
    ],
  });
  assert.equal(ports, parsed.ports, 'the list of ports is shared');
});

for (const value of [undefined, null, {}, { name: '' }, { name: null, ports: {} }]) {
  test(`discovery ${value === undefined ? '(none)' : JSON.stringify(value)} counts as none`, () => {
    assert.deepEqual(read(value), { discovery: null, ports: [], rejections: [] });
  });
}

for (const name of [undefined, null, '']) {
  test(`a DiscoveryInfo whose name is ${name === undefined ? 'missing' : JSON.stringify(name)} has ports all the same`, () => {
    const block = { name, ports: { ports: [labelled(port(80, 'tcp'), { VIP_0: '/web:80' })] } };
    const { discovery: parsed, ports, rejections } = read(block);
    assert.deepEqual([parsed, rejections], [null, []]);
    assert.deepEqual(
      ports.map(({ number, labels }) => [number, labels]),
      [[80, [{ key: 'VIP_0', value: '/web:80' }]]],
    );
  });
}

for (const value of ['web', 5, []]) {
  test(`discovery ${JSON.stringify(value)} is rejected`, () => {
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    const rejections = [{ path: 'discovery', code: 'discovery-malformed', value: shown }];
    assert.deepEqual(read(value), { discovery: null, ports: [], rejections });
  });
}

test('a discovery name that is no text is rejected, the ports stay', () => {
  const { discovery: parsed, ports, rejections } = read({ name: 5, ports: { ports: [{}] } });
  assert.deepEqual([parsed, ports.length], [null, 1]);
  assert.deepEqual(
    rejections.map(({ path, code }) => [path, code]),
    [['discovery', 'discovery-malformed']],
  );
});

for (const number of [-1, 65_536, 70_000, 80.5, '80', true, []]) {
  test(`D16: the discovery port ${JSON.stringify(number)} is rejected, its neighbours stay`, () => {
    const ports = [port(80, 'tcp'), { number, protocol: 'tcp' }, port(82, 'tcp')];
    const path = 'discovery.ports.ports[1].number';
    const shown = typeof number === 'string' ? number : JSON.stringify(number);
    const parsed = read({ name: 'web', ports: { ports } });
    assert.deepEqual(parsed.rejections, [{ path, code: 'port-out-of-range', value: shown }]);
    assert.deepEqual(
      parsed.ports.map((found) => [found.index, found.number]),
      [
        [0, 80],
        [2, 82],
      ],
    );
  });
}

for (const entry of [80, null, 'http', { number: 80, name: 7 }, { number: 80, protocol: {} }]) {
  test(`the discovery port entry ${JSON.stringify(entry)} is rejected, the rest stays`, () => {
    const path = 'discovery.ports.ports[0]';
    const shown = typeof entry === 'string' ? entry : JSON.stringify(entry);
    const parsed = read({ name: 'web', ports: { ports: [entry, port(81, 'udp')] } });
    assert.deepEqual(parsed.rejections, [{ path, code: 'port-malformed', value: shown }]);
    assert.equal(parsed.ports.length, 1);
  });
}

test('of a DiscoveryInfo with more ports than anybody has, the first 256 are kept', () => {
  const ports = Array.from({ length: 300 }, (_, i) => port(i, 'tcp'));
  const parsed = read(discovery('web', ...ports));
  assert.equal(parsed.ports.length, 256);
  assert.deepEqual(parsed.rejections, [
    { path: 'discovery.ports.ports[256]', code: 'too-many-ports', value: '300' },
  ]);
});

test('a port with thousands of protocols is left out, the others stay', () => {
  const hostile = port(1, Array.from({ length: 9_999 }, (_, i) => `p${i}`).join());
  const { ports, rejections } = read(discovery('web', hostile, port(2, 'tcp,udp')));
  assert.deepEqual(
    ports.map(({ number }) => number),
    [2],
  );
  assert.deepEqual(
    rejections.map((rejection) => [rejection.path, rejection.code]),
    [['discovery.ports.ports[0].protocol', 'port-malformed']],
  );
});
