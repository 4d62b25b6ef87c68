import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endedTasks, type TaskEnds } from '../../../src/core/mesos/ended-tasks.ts';
import { taskKey } from '../../../src/core/mesos/task-key.ts';
import { readProjectFile } from '../../support/project.ts';

/** A task in the words of `/state`. */
function v0(id: string, state: string, more: object = {}): object {
  return { id, name: id, framework_id: 'F', slave_id: 'S0', state, ...more };
}

/** A task in the words of the operator API. */
function v1(id: string, state: string): object {
  const [frameworkId, agentId] = [{ value: 'F' }, { value: 'S0' }];
  return { name: id, task_id: { value: id }, framework_id: frameworkId, agent_id: agentId, state };
}

/** Looks for tasks of framework F on agent S0. */
function look(body: unknown, ...ids: readonly string[]): Record<keyof TaskEnds, string[]> {
  const wanted = new Map(ids.map((id) => [taskKey('F', id), 'S0']));
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return shown(endedTasks(text, wanted));
}

function shown({ ended, lost, frameworks }: TaskEnds): Record<keyof TaskEnds, string[]> {
  const ids = (keys: ReadonlySet<string>): string[] => [...keys].map((key) => key.split('\n')[1]!);
  return { ended: ids(ended), lost: ids(lost), frameworks: [...frameworks] };
}

function state(completed: readonly object[], more: object = {}): object {
  const running = [v0('running', 'TASK_RUNNING')];
  const framework = { id: 'F', name: 'marathon', tasks: running, completed_tasks: completed };
  return { slaves: [], frameworks: [framework], completed_frameworks: [], ...more };
}

const FINAL = ['FINISHED', 'KILLED', 'FAILED', 'ERROR', 'DROPPED', 'GONE', 'GONE_BY_OPERATOR'];

for (const name of FINAL) {
  test(`TASK_${name} is the end of a task, in either API`, () => {
    const text = `TASK_${name}`;
    assert.deepEqual(look(state([v0('a', text)]), 'a').ended, ['a']);
    const body = { get_state: { get_tasks: { completed_tasks: [v1('a', text)] } } };
    assert.deepEqual(look(body, 'a').ended, ['a']);
    assert.deepEqual(look({ type: 'SUBSCRIBED', subscribed: body }, 'a').ended, ['a']);
  });
}

for (const name of ['UNREACHABLE', 'UNKNOWN', 'RUNNING', 'KILLING', 'STAGING']) {
  test(`TASK_${name} is no end`, () => {
    const none = { ended: [], lost: [], frameworks: [] };
    assert.deepEqual(look(state([v0('a', `TASK_${name}`)]), 'a'), none);
  });
}

test('a lost task is one, and has not ended', () => {
  const found = look(state([v0('a', 'TASK_LOST')]), 'a');
  assert.deepEqual(found, { ended: [], lost: ['a'], frameworks: [] });
});

test('only what is asked for is found', () => {
  const body = state([v0('a', 'TASK_KILLED'), v0('b', 'TASK_KILLED')]);
  assert.deepEqual(look(body, 'b', 'c', 'running').ended, ['b']);
});

test('the end of a task on another agent, or of another framework, is not its end', () => {
  assert.deepEqual(look(state([v0('a', 'TASK_FAILED', { slave_id: 'S1' })]), 'a').ended, []);
  const other = { id: 'G', name: 'chronos', tasks: [], completed_tasks: [v0('a', 'TASK_FAILED')] };
  assert.deepEqual(look(state([], { frameworks: [other] }), 'a').ended, []);
});

test('a framework that is torn down is found with all its tasks', () => {
  const torn = {
    // Tasks come before the id in this one.
    tasks: [v0('a', 'TASK_KILLED')],
    completed_tasks: [v0('b', 'TASK_FINISHED')],
    id: 'F',
    name: 'marathon',
  };
  const found = look(state([], { frameworks: [], completed_frameworks: [torn] }), 'a', 'b');
  assert.deepEqual(found, { ended: ['a', 'b'], lost: [], frameworks: ['F'] });
});

test('a framework without an id is known by its name', () => {
  const cut = { name: 'F', completed_tasks: [{ id: 'a', slave_id: 'S0', state: 'TASK_KILLED' }] };
  assert.deepEqual(look(state([], { frameworks: [cut] }), 'a').ended, ['a']);
});

const NOTHING_IN = [
  '',
  'null',
  '[]',
  '{"frameworks":{}}',
  '{"frameworks":[1,null,{"completed_tasks":[1,{"id":{}},{"id":"a"}]}]}',
  '{"get_state":[],"subscribed":3}',
  '{"get_state":{"get_tasks":[],"get_frameworks":{"completed_frameworks":[0,{}]}}}',
  '{"get_state":{"get_tasks":{"completed_tasks":[{"task_id":3,"state":"TASK_KILLED"}]}}}',
];

for (const body of NOTHING_IN) {
  test(`nothing is found in ${body === '' ? 'an empty body' : body}`, () => {
    assert.deepEqual(look(body, 'a'), { ended: [], lost: [], frameworks: [] });
  });
}

test('of a body that breaks off the part before it counts', () => {
  const body = JSON.stringify(state([v0('a', 'TASK_KILLED'), v0('b', 'TASK_KILLED')]));
  assert.deepEqual(look(body.slice(0, -20), 'a', 'b').ended, ['a', 'b']);
});

/** The last of the recorded states, of the moment of the recorded GET_STATE. */
function lastState(): string {
  const lines = readProjectFile('test/fixtures/trust/mesos-1.12-event-states.jsonl').trimEnd();
  const { state: last } = JSON.parse(lines.split('\n').at(-1)!) as { state: unknown };
  return JSON.stringify(last);
}

test('a recorded /state and GET_STATE of one moment agree on what has ended', () => {
  const entry = /"id":"([^"]+)","name":"[^"]*","framework_id":"([^"]+)","slave_id":"([^"]+)"/g;
  const all = [...lastState().matchAll(entry)];
  const wanted = new Map(all.map(([, id, owner, on]) => [taskKey(owner!, id!), on!]));
  const ofState = endedTasks(lastState(), wanted);
  const getState = readProjectFile('test/fixtures/trust/mesos-1.12-end-get-state.json');
  const ofGetState = endedTasks(getState, wanted);
  for (const part of ['ended', 'lost', 'frameworks'] as const) {
    assert.deepEqual([...ofState[part]].sort(), [...ofGetState[part]].sort(), part);
  }
  assert.deepEqual([ofState.ended.size, ofState.lost.size, ofState.frameworks.size], [6, 8, 1]);
});

test('jobs that were lost with their agent run elsewhere with the same ids', () => {
  const job = /"id":"(ct:[^"]+)","name":"[^"]*","framework_id":"([^"]+)","slave_id":"[^"]+-S0"/g;
  const jobs = [...lastState().matchAll(job)];
  assert.equal(jobs.length, 2);
  const wanted = new Map(jobs.map(([, id, owner]) => [taskKey(owner!, id!), 'any-S0']));
  assert.equal(endedTasks(lastState(), wanted).lost.size, 0);
});
