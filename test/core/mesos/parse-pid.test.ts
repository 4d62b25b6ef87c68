import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePid } from '../../../src/core/mesos/parse-pid.ts';

const GOOD: readonly (readonly [pid: string, host: string, port: number])[] = [
  ['master@10.0.0.1:5050', '10.0.0.1', 5050],
  ['slave(1)@10.0.0.1:5051', '10.0.0.1', 5051],
  ['scheduler-0f9d5f9e-6a52@127.0.0.1:39001', '127.0.0.1', 39_001],
  ['slave(1)@[fd00:1::3]:5051', 'fd00:1::3', 5051],
  ['slave(1)@[FD00:0:0::3]:5051', 'fd00::3', 5051],
  ['slave(1)@Agent7.Example.test:5051', 'agent7.example.test', 5051],
  ['@10.0.0.1:65535', '10.0.0.1', 65_535],
];

for (const [pid, host, port] of GOOD) {
  test(`the pid ${pid} is at ${host}, port ${port}`, () => {
    assert.deepEqual(parsePid(pid), { host, port });
  });
}

const BAD: readonly unknown[] = [
  '',
  'master',
  '10.0.0.1:5050',
  'slave(1)@',
  'slave(1)@10.0.0.1',
  'slave(1)@10.0.0.1:0',
  'slave(1)@10.0.0.1:65536',
  'slave(1)@10.0.0.1:x',
  'slave(1)@:5051',
  'a@b@10.0.0.1:5051',
  'slave(1)@10.0.0.01:5051',
  'slave(1)@fd00::3:5051',
  'slave(1)@host name:5051',
  undefined,
  null,
  5051,
  {},
  ['slave(1)@10.0.0.1:5051'],
];

for (const pid of BAD) {
  test(`S02: ${pid === undefined ? 'a missing pid' : JSON.stringify(pid)} is no usable pid`, () => {
    assert.equal(parsePid(pid), null);
  });
}
