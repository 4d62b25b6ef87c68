import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import { sameValue } from '../../../src/core/base/same-value.ts';
import type { HostPort } from '../../../src/core/config/config.ts';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import { sameRecords } from '../../../src/core/dns/compare-tables.ts';
import { type Generation, nextGeneration } from '../../../src/core/generation.ts';
import { GenerationBuilder } from '../../../src/core/generation-builder.ts';
import { ClusterModel } from '../../../src/core/mesos/cluster-model.ts';
import { parseEvent } from '../../../src/core/mesos/parse-event.ts';
import { parseGetState } from '../../../src/core/mesos/parse-get-state.ts';
import { parseState } from '../../../src/core/mesos/parse-state.ts';
import { AddressCache } from '../../../src/core/mesos/parse-task.ts';
import type { ClusterSnapshot } from '../../../src/core/mesos/snapshot.ts';
import { zonesOf, type ZoneSettings } from '../../../src/core/views/zone-view.ts';
import {
  type RecordedCluster,
  recordedCluster,
  recordedIn,
  recordedOfKilledLeader,
  type RecordedState,
} from '../../support/recorded-cluster.ts';
import { settings, zoneRecords } from '../../support/state-builder.ts';

const NOW = 1_800_000_000;

/** Names for all that can have one; those of inactive frameworks and agents depend. */
const zone = (inactive: 'omit' | 'publish'): ZoneSettings =>
  settings({
    names: { locations: true, inactive, unhealthy: 'avoid' },
    vip: { enabled: true, auto: true, aliasDomains: ['thisdcos.directory'] },
  });
const OMITTING = zone('omit');
const PUBLISHING = zone('publish');

/** What is read, and what of it could not be. */
interface Read {
  readonly snapshot: ClusterSnapshot;
  readonly rejections: RejectionList;
}

function generationOf(read: Read, terms: ZoneSettings): Generation {
  return nextGeneration(null, read, new Map(), terms, NOW);
}

function stateOf({ state }: RecordedState): Read {
  const rejections = new RejectionList();
  const parsed = parseState(state, rejections);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error);
  return { snapshot: parsed.value, rejections };
}

/** Codes and values: where something stands in a stream and a state is not the same. */
function rejected({ rejections }: Generation): string[] {
  return rejections.items.map(({ code, value }) => `${code} ${value}`).sort();
}

/** Records of one generation that the other has not. */
function surplus(one: Generation, other: Generation): string[] {
  const recordsOf = ({ table }: Generation): string[] =>
    zonesOf(OMITTING).apexes.flatMap((apex) => zoneRecords({ table, settings: OMITTING }, apex));
  const others = new Set(recordsOf(other));
  return recordsOf(one).filter((line) => !others.has(line));
}

/** Nothing that a client or the kernel could tell apart. */
function isEqual(a: Generation, b: Generation): boolean {
  const [left, right] = [rejected(a), rejected(b)];
  return sameRecords(a.table, b.table) && sameValue(a.vips, b.vips) && sameValue(left, right);
}

/** The stream as the daemon takes it in: every event changes the model, and that a generation. */
class Replay {
  readonly #records: readonly string[];
  readonly #leader: HostPort;
  readonly #terms: ZoneSettings;
  readonly #addresses = new AddressCache();
  readonly #builder = new GenerationBuilder();
  #model: ClusterModel | null = null;
  #table: AnswerTable | null = null;
  readonly #rejections = new RejectionList();
  count = 0;
  /** Events that were followed without making all anew. */
  followed = 0;

  constructor(records: readonly string[], leader: HostPort, terms: ZoneSettings) {
    this.#records = records;
    this.#leader = leader;
    this.#terms = terms;
  }

  generation(): Generation {
    return generationOf(this.read, this.#terms);
  }

  /** What the stream made of the cluster so far. */
  get read(): Read {
    assert.ok(this.#model !== null, 'a stream begins with a snapshot');
    return { snapshot: this.#model.snapshot(), rejections: this.#rejections };
  }

  /** The next event, after which the generation that follows is the one that would be made anew. */
  step(): void {
    const record = this.#records[this.count++];
    assert.ok(record !== undefined, 'the state was recorded before the stream ended');
    const parsed = parseEvent(Buffer.from(record), this.#leader, this.#addresses, this.#rejections);
    assert.ok(parsed.ok, parsed.ok ? '' : parsed.error);
    const event = parsed.value;
    if (event.kind === 'snapshot') this.adopt(event.snapshot);
    else {
      const outcome = this.#model?.apply(event, this.#addresses, this.#rejections);
      assert.notEqual(outcome, 'unknown', `record ${this.count} speaks of a task we do not know`);
    }
    const next = this.#builder.build({
      previous: this.#table,
      read: this.read,
      hosts: new Map(),
      settings: this.#terms,
      nowSeconds: NOW,
      programmed: null,
    });
    assert.ok(isEqual(next, this.generation()), `record ${this.count} followed wrongly`);
    if (next.vipChanges !== null) this.followed++;
    this.#table = next.table;
  }

  /** Takes over what a poll found. */
  adopt(snapshot: ClusterSnapshot): void {
    if (this.#model === null) this.#model = new ClusterModel(snapshot);
    else this.#model.reset(snapshot);
  }
}

/** Records that the stream's generation has too many of, and too few, by the name of the state. */
type Differences = Record<string, { readonly over: string[]; readonly under: string[] }>;

interface ReplayTerms {
  readonly terms: ZoneSettings;
  /** Where stream and state differ, a poll mends it. */
  readonly isPolled: boolean;
}

function differences(
  { records, states }: RecordedCluster,
  { terms, isPolled }: ReplayTerms,
): Differences {
  const found: Differences = {};
  const replay = new Replay(records, stateOf(states[0]!).snapshot.leader, terms);
  for (const recorded of states) {
    const told = generationOf(stateOf(recorded), terms);
    while (replay.count < recorded.atLeast) replay.step();
    // Of what happened in the same second some may be in the state.
    while (!isEqual(replay.generation(), told) && replay.count < recorded.atMost) replay.step();
    const streamed = replay.generation();
    if (isEqual(streamed, told)) continue;
    found[recorded.name] = { over: surplus(streamed, told), under: surplus(told, streamed) };
    if (!isPolled) continue;
    replay.adopt(stateOf(recorded).snapshot);
    assert.ok(isEqual(replay.generation(), told), `${recorded.name}: a poll mends it`);
  }
  while (replay.count < records.length) replay.step();
  assert.ok(replay.followed > 0.7 * records.length, 'hardly anything is made anew');
  return found;
}

const CHRONOS = 'chronos.mesos. IN A 127.0.0.1';
const AGENT2 = '_slave._tcp.mesos. IN SRV 0 1 15052 slave.mesos.';

describe('a cluster of two agents in which everything happens once', () => {
  let recorded: RecordedCluster;
  before(() => {
    recorded = recordedCluster();
    assert.equal(recorded.states.length, 19);
  });

  test('the stream never tells that a scheduler or an agent disconnects; the poll finds it', () => {
    assert.deepEqual(differences(recorded, { terms: OMITTING, isPolled: true }), {
      '09-framework-disconnected': { over: [CHRONOS], under: [] },
      '15-agent2-disconnected': { over: [AGENT2], under: [] },
    });
  });

  test('the stream never tells that an agent becomes unreachable; the poll finds it', () => {
    assert.deepEqual(differences(recorded, { terms: PUBLISHING, isPolled: true }), {
      '16-agent2-unreachable': { over: [AGENT2], under: [] },
    });
  });

  test('without any poll that is all that is wrong, until scheduler and agent are back', () => {
    assert.deepEqual(differences(recorded, { terms: OMITTING, isPolled: false }), {
      '09-framework-disconnected': { over: [CHRONOS], under: [] },
      '15-agent2-disconnected': { over: [AGENT2], under: [] },
      '16-agent2-unreachable': { over: [AGENT2], under: [] },
    });
  });

  test('GET_STATE says what the state says at every step', () => {
    for (const { name, state, getState } of recorded.states) {
      const v0 = { rejections: new RejectionList() };
      const v1 = { rejections: new RejectionList() };
      const one = parseState(state, v0.rejections);
      assert.ok(one.ok && getState !== null);
      const other = parseGetState(getState, one.value.leader, v1.rejections);
      assert.ok(other.ok);
      const a = generationOf({ ...v0, snapshot: one.value }, OMITTING);
      const b = generationOf({ ...v1, snapshot: other.value }, OMITTING);
      assert.ok(isEqual(a, b), name);
      assert.deepEqual(other.value.recovering, one.value.recovering);
    }
  });
});

test('the stream of a leader that is killed ends in the generation of its last state', () => {
  const { records, states } = recordedOfKilledLeader();
  const { snapshot, rejections } = stateOf(states[0]!);
  const replay = new Replay(records, snapshot.leader, OMITTING);
  while (replay.count < records.length) replay.step();
  assert.equal(replay.read.snapshot.taskCount, 3);
  assert.ok(isEqual(replay.generation(), generationOf({ snapshot, rejections }, OMITTING)));
});

/** Own records of agents and frameworks: whether those are connected no stream tells. */
const OF_CONNECTION = /^(?:_slave\._tcp|slave|_framework\._tcp\.[^.]+|[^._]+)\.mesos\. /;

// Other recordings: folders, parted by colons, as `recordedIn` describes them.
for (const folder of (process.env['HOPLITE_RECORDINGS'] ?? '').split(':')) {
  if (folder === '') continue;
  test(`${folder}: at every step the stream is the state, but for who is connected`, (context) => {
    const recorded = recordedIn(folder);
    assert.ok(recorded.states.length > 0);
    for (const terms of [OMITTING, PUBLISHING]) {
      const found = differences(recorded, { terms, isPolled: true });
      for (const [name, { over, under }] of Object.entries(found)) {
        context.diagnostic(`${name}: too much ${over.join('; ')}, missing ${under.join('; ')}`);
        const others = [...over, ...under].filter((line) => !OF_CONNECTION.test(line));
        assert.deepEqual(others, [], name);
        assert.ok(over.length + under.length > 0, `${name}: VIPs or rejections differ`);
      }
    }
  });
}
