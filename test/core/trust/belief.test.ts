import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import type { ClusterEvent } from '../../../src/core/mesos/parse-event.ts';
import { AddressCache } from '../../../src/core/mesos/parse-task.ts';
import type { ClusterSnapshot } from '../../../src/core/mesos/snapshot.ts';
import { Belief, OutrunError } from '../../../src/core/trust/belief.ts';

const BODY = Buffer.from('{}');

function snapshot(agents: readonly string[]): ClusterSnapshot {
  return {
    leader: { host: '10.0.0.100', port: 5050 },
    masterId: 'run-1',
    fromLeader: true,
    frameworks: [],
    agents: agents.map(agent),
    recovering: [],
    taskCount: 0,
  };
}

function agent(id: string): ClusterSnapshot['agents'][number] {
  return {
    path: id,
    id,
    hostname: id,
    endpoint: { host: '10.0.0.1', port: 5051 },
    active: true,
  };
}

/** A belief that trusts whatever it hears, and what the test does with it. */
function start(): {
  readonly joins: (...ids: readonly string[]) => void;
  /** A state of these agents that was asked for when there were so many events. */
  readonly state: (asked: number, ...ids: readonly string[]) => void;
  readonly agents: () => readonly string[] | undefined;
} {
  const belief = new Belief({ lossShare: 1, holdMs: 0 }, new AddressCache());
  const rejections = new RejectionList();
  return {
    joins(...ids) {
      for (const id of ids) {
        const event: ClusterEvent = { kind: 'agent-added', agent: agent(id) };
        belief.takeEvent(event, rejections);
      }
    },
    state(asked, ...ids) {
      const candidate = { snapshot: snapshot(ids), body: BODY, asked, beginsStream: false };
      belief.accept(candidate, rejections);
    },
    agents: () => belief.snapshot?.agents.map(({ id }) => id),
  };
}

test('what happened since a state was asked for is repeated when it comes, however many came before it', () => {
  const { joins, state, agents } = start();
  state(0, 'S0');
  joins('S1');
  // Asked for at 1, when there was S1, and overtaken by three others.
  joins('S2', 'S3');
  for (const asked of [3, 3, 3]) state(asked, 'S0', 'S1', 'S2', 'S3');
  state(1, 'S0', 'S1');
  assert.deepEqual(agents(), ['S0', 'S1', 'S2', 'S3']);
});

test('a state is refused that misses events which are remembered no more', () => {
  const { joins, state, agents } = start();
  state(0, 'S0');
  joins('S1', 'S2');
  for (const asked of [2, 2, 2, 2]) state(asked, 'S0', 'S1', 'S2');
  assert.throws(() => state(1, 'S0', 'S1'), OutrunError);
  assert.deepEqual(agents(), ['S0', 'S1', 'S2']);
  state(2, 'S0');
  assert.deepEqual(agents(), ['S0']);
});
