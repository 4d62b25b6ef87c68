import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RCODE, TYPE, typeMnemonic } from '../../../src/core/dns/constants.ts';
import {
  OTHER,
  RCODE_LABELS,
  TYPE_LABELS,
  rcodeIndex,
  rcodeLabel,
  typeIndex,
} from '../../../src/core/respond/labels.ts';

test('types have the label of their mnemonic, those that nobody asks for share one', () => {
  for (const type of [TYPE.A, TYPE.AAAA, TYPE.SRV, TYPE.PTR, TYPE.HTTPS, TYPE.ANY, TYPE.CAA]) {
    assert.equal(TYPE_LABELS[typeIndex(type)], typeMnemonic(type));
  }
  for (const type of [0, 3, TYPE.OPT, 258, 65_535]) {
    assert.equal(TYPE_LABELS[typeIndex(type)], OTHER, String(type));
  }
});

test('every type has an index that has a label', () => {
  const used = new Set(Array.from({ length: 65_536 }, (_, type) => typeIndex(type)));
  assert.deepEqual(
    [...used].toSorted((a, b) => a - b),
    [...TYPE_LABELS.keys()],
  );
});

test('response codes have the label of their mnemonic, unknown ones share one', () => {
  for (const [mnemonic, code] of Object.entries(RCODE)) assert.equal(rcodeLabel(code), mnemonic);
  for (const code of [11, 15, 17, 24, 4095]) assert.equal(rcodeLabel(code), OTHER, String(code));
  const used = new Set(Array.from({ length: 4096 }, (_, code) => rcodeIndex(code)));
  assert.deepEqual(
    [...used].toSorted((a, b) => a - b),
    [...RCODE_LABELS.keys()],
  );
});
