import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vipTable } from '../../src/cli/show-vips.ts';
import type { VipListEntry } from '../../src/core/views/vips-view.ts';

const backend = (address: string, weight = 1): VipListEntry['backends'][number] => ({
  address,
  port: 31_000,
  weight,
  taskId: 'web.1',
  agent: 'agent-1',
});

const WEB: VipListEntry = {
  name: 'web',
  fqdn: 'web.marathon.l4lb.mesos',
  address: '10.208.0.7',
  protocol: 'tcp',
  port: 8080,
  scheduler: 'wlc',
  backends: [backend('10.0.0.1'), backend('10.0.0.2', 0)],
};

test('VIPs are shown in aligned columns, one backend a line', () => {
  const declared: VipListEntry = {
    ...WEB,
    name: null,
    fqdn: null,
    address: 'fd01:c::5',
    protocol: 'udp',
    port: 53,
    backends: [backend('fd00::1')],
  };
  assert.equal(
    vipTable([declared, WEB]),
    `NAME                     ADDRESS     PORT      SCHEDULER  BACKENDS
-                        fd01:c::5   53/udp    wlc        [fd00::1]:31000 weight 1
web.marathon.l4lb.mesos  10.208.0.7  8080/tcp  wlc        10.0.0.1:31000 weight 1
                                                          10.0.0.2:31000 weight 0
`,
  );
});

test('no VIPs are no table', () => {
  assert.equal(vipTable([]), '');
});
