import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programmedAddresses } from '../../../src/core/ipvs/programmed.ts';
import {
  desiredKernel,
  observedKernel,
  SOURCE,
  type TableText,
} from '../../support/ipvs-tables.ts';

const VIP = '10.208.0.1';
const A = '10.0.0.1:31000';
const B = '10.0.0.2:31000';

const isProgrammed = (
  wanted: TableText,
  found: TableText,
  route: string | null = SOURCE.ipv4,
  parts: Parameters<typeof desiredKernel>[1] = {},
): boolean =>
  programmedAddresses(desiredKernel(wanted, parts), observedKernel(found, { [VIP]: route })).has(
    VIP,
  );

const WEB = { [`tcp ${VIP}:80`]: [A, B] };

test('a VIP is programmed once one of its backends gets connections', () => {
  assert.equal(isProgrammed(WEB, WEB), true);
  assert.equal(isProgrammed(WEB, { [`tcp ${VIP}:80`]: [B] }), true);
  assert.equal(isProgrammed(WEB, { [`tcp ${VIP}:80`]: [] }), false);
  assert.equal(isProgrammed(WEB, { [`tcp ${VIP}:80`]: [`${A}=0`, '10.0.0.9:1'] }), false);
  assert.equal(isProgrammed(WEB, {}), false);
});

test('a VIP of which all backends are out is programmed when its service is there', () => {
  const out = { [`tcp ${VIP}:80`]: [`${A}=0`] };
  assert.equal(isProgrammed(out, { [`tcp ${VIP}:80`]: [] }), true);
  assert.equal(isProgrammed(out, {}), false);
});

test('every service of a VIP counts', () => {
  const both = { ...WEB, [`udp ${VIP}:53`]: [A] };
  assert.equal(isProgrammed(both, both), true);
  assert.equal(isProgrammed(both, WEB), false);
  assert.equal(isProgrammed({ [`udp ${VIP}:53`]: [A], ...WEB }, WEB), false);
});

test('a VIP without its route, or with another source, is not programmed', () => {
  assert.equal(isProgrammed(WEB, WEB, null), false);
  assert.equal(isProgrammed(WEB, WEB, '10.0.0.6'), false);
  const noSource = { source: { ipv4: null, ipv6: SOURCE.ipv6 } };
  assert.equal(isProgrammed(WEB, WEB, SOURCE.ipv4, noSource), false);
  assert.equal(isProgrammed(WEB, WEB, SOURCE.ipv4, { owned: [] }), false);
});
