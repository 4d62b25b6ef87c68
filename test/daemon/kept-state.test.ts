import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateFileHeader } from '../../src/adapters/state-file.ts';
import { RejectionList } from '../../src/core/base/rejection.ts';
import { ok } from '../../src/core/base/result.ts';
import { parseState } from '../../src/core/mesos/parse-state.ts';
import { KeptState } from '../../src/daemon/kept-state.ts';
import { clusterState } from '../support/scripted-master.ts';

const HOUR_MS = 3_600_000;
const PATH = '/last-state';
const LEADER = { host: '10.0.0.9', port: 5050 };

const BODY = new TextEncoder().encode(
  JSON.stringify(clusterState({ pid: 'master@10.0.0.9:5050' })),
);
const OTHER = new TextEncoder().encode('other');

/** A disk that writes down what it is given; a digest is the text itself. */
function keptState(): { readonly kept: KeptState; readonly written: string[] } {
  const written: string[] = [];
  const digestOf = (body: Uint8Array): Promise<string> =>
    Promise.resolve(new TextDecoder().decode(body));
  const header: StateFileHeader = {
    ...{ kind: 'state', takenAt: 0, leader: LEADER, agents: 1 },
    ...{ bytes: OTHER.length, digest: 'other' },
  };
  const kept = new KeptState({
    digestOf,
    write: (path, { takenAt, agents, leader, bytes }) => {
      written.push([path, takenAt, agents, leader.host, bytes].join(' '));
      return Promise.resolve();
    },
    read: (path) => Promise.resolve(path === PATH ? ok({ header, body: OTHER }) : null),
  });
  return { kept, written };
}

const parsed = parseState(BODY, new RejectionList());
assert.ok(parsed.ok);
const snapshot = parsed.value;

test('what was kept is written once, with what is said of it', async () => {
  const { kept, written } = keptState();
  kept.keep(BODY, snapshot);
  assert.equal(await kept.save(PATH, 1_000), true);
  assert.equal(await kept.save(PATH, 1_000 + 2 * HOUR_MS), false);
  assert.deepEqual(written, [`${PATH} 1000 1 10.0.0.9 ${BODY.length}`]);
});

test('what was let go of is not written', async () => {
  const { kept, written } = keptState();
  kept.keep(BODY, snapshot);
  kept.drop();
  assert.equal(await kept.save(PATH, 1_000), false);
  assert.deepEqual(written, []);
});

test('the same is written again after an hour, at once in another place, and if it differs', async () => {
  const { kept, written } = keptState();
  const save = (body: Uint8Array, path: string, takenAt: number): Promise<boolean> => {
    kept.keep(body, snapshot);
    return kept.save(path, takenAt);
  };
  assert.equal(await save(BODY, PATH, 0), true);
  assert.equal(await save(BODY, PATH, HOUR_MS - 1), false);
  assert.equal(await save(BODY, PATH, HOUR_MS), true);
  assert.equal(await save(OTHER, PATH, HOUR_MS + 1), true);
  assert.equal(await save(OTHER, '/elsewhere', HOUR_MS + 2), true);
  assert.equal(written.length, 4);
});

test('the same as the file held at the start is not written', async () => {
  const { kept, written } = keptState();
  assert.equal((await kept.load(PATH, 1_000)).body, OTHER);
  kept.keep(OTHER, snapshot);
  assert.equal(await kept.save(PATH, 1_000), false);
  assert.deepEqual(written, []);
});

test('a file that has gone meanwhile cannot be loaded', async () => {
  await assert.rejects(keptState().kept.load('/elsewhere', 1_000), /does not exist any more/);
});
