import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHostPort } from '../../../src/core/base/host-port.ts';
import { KnownMasters } from '../../../src/daemon/source/known-masters.ts';
import { master } from './scripted-source.ts';

const asked = (masters: KnownMasters): string[] =>
  masters.candidates().map((one) => formatHostPort(one));

test('the leader that ZooKeeper names comes first, then who led last, then all others once', () => {
  const masters = new KnownMasters([master(1), master(2)]);
  masters.answered(master(2));
  assert.deepEqual(asked(masters), ['10.0.0.2:5050', '10.0.0.1:5050']);
  assert.equal(masters.detect({ leader: master(3), masters: [master(3), master(1)] }), true);
  assert.deepEqual(asked(masters), ['10.0.0.3:5050', '10.0.0.1:5050', '10.0.0.2:5050']);
  assert.deepEqual(masters.leader, master(3));
});

test('when nobody has entered in ZooKeeper, those known before stay', () => {
  const masters = new KnownMasters([]);
  assert.deepEqual(asked(masters), []);
  masters.detect({ leader: master(3), masters: [master(3)] });
  assert.equal(masters.detect({ leader: null, masters: [] }), false);
  assert.deepEqual(masters.leader, master(3));
  assert.deepEqual(asked(masters), ['10.0.0.3:5050']);
});

test('members without a leader that can be read are asked who leads', () => {
  const masters = new KnownMasters([]);
  masters.detect({ leader: master(3), masters: [master(3), master(4)] });
  assert.equal(masters.detect({ leader: null, masters: [master(4)] }), true);
  assert.equal(masters.leader, null);
  assert.deepEqual(asked(masters), ['10.0.0.4:5050']);
  masters.answered(master(5));
  assert.deepEqual(masters.leader, master(5));
});

test('a leader that was known from its answers is no other one', () => {
  const masters = new KnownMasters([master(1)]);
  masters.answered(master(1));
  assert.equal(masters.detect({ leader: master(1), masters: [master(1)] }), false);
});

test('a leader that answers elsewhere than ZooKeeper says is followed there, and stays no news', () => {
  const masters = new KnownMasters([master(9)]);
  const detected = { leader: master(1), masters: [master(1)] };
  masters.detect(detected);
  masters.answered(master(9));
  assert.deepEqual(masters.leader, master(9));
  assert.equal(masters.detect({ ...detected, masters: [master(1), master(2)] }), false);
  assert.deepEqual(masters.leader, master(9));
  assert.equal(masters.detect({ leader: master(2), masters: [master(2)] }), true);
  assert.deepEqual(masters.leader, master(2));
});

test('another configuration says nothing of who leads', () => {
  const masters = new KnownMasters([master(1)]);
  masters.detect({ leader: master(3), masters: [master(3)] });
  masters.configure([master(2)]);
  assert.deepEqual([masters.leader, asked(masters)], [null, ['10.0.0.2:5050']]);
});
