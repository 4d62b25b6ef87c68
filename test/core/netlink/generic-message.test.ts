import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFamilyId, encodeFamilyQuery } from '../../../src/core/netlink/generic-message.ts';

test('a family is asked for by name, and its number is read from the answer', () => {
  const query = encodeFamilyQuery('IPVS');
  assert.equal(Buffer.from(query).toString('hex'), '03010000' + '090002004950565300000000');
  // CTRL_CMD_NEWFAMILY: name, then number.
  const answer = Buffer.from('01020000' + '090002004950565300000000' + '060001001c000000', 'hex');
  assert.equal(decodeFamilyId(answer), 28);
  assert.equal(decodeFamilyId(query), null);
});
