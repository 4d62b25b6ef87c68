import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OUTSIDE_SLOT, ZONE_SLOTS, ZoneSlots } from '../../../src/core/respond/zone-slots.ts';

test('zones keep their slots over reloads, in whatever order they come', () => {
  const slots = new ZoneSlots();
  const [mesos, alias] = slots.slotsOf(['mesos.', 'thisdcos.directory.']);
  assert.deepEqual(
    [...slots.slotsOf(['thisdcos.directory.', 'new.', 'mesos.'])],
    [alias, 3, mesos],
  );
  assert.deepEqual(
    [mesos!, alias!, 3].map((slot) => slots.nameOf(slot)),
    ['mesos.', 'thisdcos.directory.', 'new.'],
  );
});

test('what is outside our zones has a slot of its own', () => {
  const slots = new ZoneSlots();
  assert.equal(slots.nameOf(OUTSIDE_SLOT), '.');
  assert.notEqual(slots.slotsOf(['mesos.'])[0], OUTSIDE_SLOT);
});

test('zones that find no free slot share the last one, and take nobody’s', () => {
  const slots = new ZoneSlots();
  const names = Array.from({ length: 500 }, (_, n) => `zone${n}.`);
  const given = slots.slotsOf(names);
  assert.ok(given.every((slot) => slot < ZONE_SLOTS));
  assert.equal(new Set(given.subarray(0, ZONE_SLOTS - 2)).size, ZONE_SLOTS - 2);
  assert.ok(given.subarray(ZONE_SLOTS - 2).every((slot) => slot === ZONE_SLOTS - 1));
  assert.equal(slots.nameOf(ZONE_SLOTS - 1), 'other');
  assert.deepEqual(slots.slotsOf(names), given);
});
