import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskHash } from '../../../src/core/catalog/task-hash.ts';

/** As Mesos-DNS e888ef4 published them. */
const HASHES: readonly (readonly [id: string, hash: string])[] = [
  ['test', 'iffe9'],
  ['t0001', 'esh5w'],
  ['t0005', 'zfzfz'],
  ['t0011', 'dafcs'],
  ['star-id', '6cgbt'],
];

for (const [id, hash] of HASHES) {
  test(`the hash of task id ${id} is ${hash}`, () => {
    assert.equal(taskHash(id), hash);
  });
}

test('any task id has a hash of five characters, and different ones rarely the same', () => {
  const hashes = Array.from({ length: 1000 }, (_, i) => taskHash(`web.${i}.ü`));
  assert.ok(hashes.every((hash) => /^[ybndrfg8ejkmcpqxot1uwisza345h769]{5}$/.test(hash)));
  assert.equal(new Set(hashes).size, 1000);
  assert.match(taskHash(''), /^.{5}$/);
});
