import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import { type ClusterEvent, parseEvent } from '../../../src/core/mesos/parse-event.ts';
import { AddressCache } from '../../../src/core/mesos/parse-task.ts';
import type { Task } from '../../../src/core/mesos/snapshot.ts';
import { recordedStream } from '../../support/recorded-stream.ts';
import {
  discovery,
  type Json,
  label,
  labelled,
  network,
  port,
} from '../../support/state-builder.ts';

const LEADER = { host: '10.0.0.100', port: 5050 };

interface Read {
  readonly event: ClusterEvent;
  readonly rejections: readonly Rejection[];
}

function readText(text: string): Read {
  const rejections = new RejectionList();
  const result = parseEvent(Buffer.from(text), LEADER, new AddressCache(), rejections);
  assert.ok(result.ok, result.ok ? '' : result.error);
  return { event: result.value, rejections: rejections.items };
}

const read = (type: string, members: Json): Read =>
  readText(JSON.stringify({ type, [type.toLowerCase()]: members }));

/** The event of something with nothing wrong in it. */
function told(type: string, members: Json): ClusterEvent {
  const { event, rejections } = read(type, members);
  assert.deepEqual(rejections, []);
  return event;
}

/** Codes and paths of a message that tells nothing. */
function refused(type: string, members: Json): string[] {
  const { event, rejections } = read(type, members);
  assert.equal(event.kind, 'other');
  return rejections.map(({ path, code }) => `${path}: ${code}`);
}

/** A Task of the operator API. */
function v1Task(more: Json = {}): Json {
  return {
    name: 'web',
    task_id: { value: 'web.1' },
    framework_id: { value: 'F' },
    agent_id: { value: 'S0' },
    state: 'TASK_RUNNING',
    resources: [
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
      { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 31000, end: 31001 }] } },
    ],
    statuses: [v1Status()],
    labels: {},
    ...more,
  };
}

/** A TaskStatus of the operator API. */
function v1Status(more: Json = {}): Json {
  return {
    task_id: { value: 'web.1' },
    agent_id: { value: 'S0' },
    executor_id: { value: 'web.1' },
    state: 'TASK_RUNNING',
    source: 'SOURCE_EXECUTOR',
    timestamp: 1_500_000_000.5,
    labels: {},
    container_status: { network_infos: [network(['10.0.0.7'])] },
    ...more,
  };
}

function update(more: Json = {}): Json {
  return { framework_id: { value: 'F' }, state: 'TASK_RUNNING', status: v1Status(), ...more };
}

function added(task: Json): Task {
  const event = told('TASK_ADDED', { task });
  assert.ok(event.kind === 'task-added' && event.task !== null);
  return event.task;
}

test('TASK_ADDED tells a task, with the rules of the state', () => {
  const { path, phase, agentId, hostPorts, networkAddresses } = added(
    v1Task({ discovery: discovery('web', port(80, 'tcp,udp')) }),
  );
  assert.deepEqual(
    [path, phase, agentId, hostPorts, networkAddresses.map(({ text }) => text)],
    ['task_added.task(F/web.1)', 'running', 'S0', [31000, 31001], ['10.0.0.7']],
  );
});

test('a task that was just launched is pending, and has no statuses', () => {
  const staging = v1Task({ state: 'TASK_STAGING', statuses: undefined });
  const { phase, networkAddresses } = added(staging);
  assert.deepEqual([phase, networkAddresses], ['pending', []]);
});

test('a task that has ended by the time it is told of is none, but its key is known', () => {
  assert.deepEqual(told('TASK_ADDED', { task: v1Task({ state: 'TASK_FAILED' }) }), {
    kind: 'task-added',
    key: { frameworkId: 'F', taskId: 'web.1' },
    task: null,
  });
});

test('STARTING has the address of the agent and RUNNING that of the container: the latter counts', () => {
  const starting = v1Status({
    state: 'TASK_STARTING',
    container_status: { network_infos: [network(['10.0.0.1'])] },
  });
  const { networkAddresses } = added(v1Task({ statuses: [starting, v1Status()] }));
  assert.deepEqual(
    networkAddresses.map(({ text }) => text),
    ['10.0.0.7'],
  );
});

test('labels are objects in every place of a stream', () => {
  const labels = { labels: [label('VIP_PORT0', 'tcp://web:80')] };
  const http = labelled(port(8080, 'tcp', 'http'), { VIP_0: '/web:80' });
  const task = added(v1Task({ labels, discovery: discovery('web', http) }));
  assert.deepEqual(task.vipPortLabels, [{ index: '0', value: 'tcp://web:80' }]);
  assert.deepEqual(task.discoveryPorts[0]?.labels, [{ key: 'VIP_0', value: '/web:80' }]);
  const status = v1Status({
    labels: { labels: [label('Docker.NetworkSettings.IPAddress', '172.17.0.2')] },
  });
  const { dockerAddresses } = added(v1Task({ statuses: [status] }));
  assert.deepEqual(
    dockerAddresses.map(({ text }) => text),
    ['172.17.0.2'],
  );
});

test('TASK_UPDATED tells the latest state, and the status as a state has it', () => {
  const event = told('TASK_UPDATED', update({ state: 'TASK_KILLING' }));
  assert.ok(event.kind === 'task-updated');
  const { key, state, phase, status, timestamp } = event;
  assert.deepEqual(key, { frameworkId: 'F', taskId: 'web.1' });
  assert.deepEqual([state, phase, timestamp], ['TASK_KILLING', 'killing', 1_500_000_000.5]);
  const { labels, container_status } = status as Json;
  assert.deepEqual(container_status, { network_infos: [network(['10.0.0.7'])] });
  assert.equal(labels, undefined);
});

test('states in which nobody knows of a task, or of which we do not know, have no phase', () => {
  for (const state of ['TASK_LOST', 'TASK_UNREACHABLE', 'TASK_FINISHED', 'TASK_PURPLE']) {
    const event = told('TASK_UPDATED', update({ state }));
    assert.ok(event.kind === 'task-updated');
    assert.equal(event.phase, null, state);
  }
});

test('a master that takes a task away sends no container status', () => {
  const status = { task_id: { value: 'web.1' }, state: 'TASK_LOST', source: 'SOURCE_MASTER' };
  const event = told('TASK_UPDATED', update({ state: 'TASK_LOST', status }));
  assert.ok(event.kind === 'task-updated');
  assert.deepEqual([event.timestamp, event.phase], [null, null]);
});

test('what docker says of a container is passed over, however much it is', () => {
  const data = 'eyJ'.repeat(1 << 20);
  const text = JSON.stringify({ type: 'TASK_UPDATED', task_updated: update() });
  const huge = text.replace('"status":{', `"status":{"data":"${data}","message":"${data}",`);
  assert.ok(huge.length > 2 * data.length);
  const { event } = readText(huge);
  assert.deepEqual(event, readText(text).event);
  assert.ok(JSON.stringify(event).length < 1_000);
});

test('AGENT_ADDED tells where the agent is', () => {
  const agent = {
    agent_info: { id: { value: 'S0' }, hostname: 'agent.example.com', port: 5051, resources: [] },
    pid: 'slave(1)@10.0.0.1:5051',
    active: true,
  };
  assert.deepEqual(told('AGENT_ADDED', { agent }), {
    kind: 'agent-added',
    agent: {
      path: 'agent_added.agent',
      id: 'S0',
      hostname: 'agent.example.com',
      endpoint: { host: '10.0.0.1', port: 5051 },
      active: true,
    },
  });
});

test('AGENT_REMOVED and FRAMEWORK_REMOVED tell an id', () => {
  assert.deepEqual(told('AGENT_REMOVED', { agent_id: { value: 'S0' } }), {
    kind: 'agent-removed',
    id: 'S0',
  });
  const framework_info = { id: { value: 'F' }, name: 'marathon' };
  assert.deepEqual(told('FRAMEWORK_REMOVED', { framework_info }), {
    kind: 'framework-removed',
    id: 'F',
  });
});

test('FRAMEWORK_ADDED and FRAMEWORK_UPDATED tell a framework without its tasks', () => {
  const framework = {
    framework_info: { id: { value: 'F' }, name: 'marathon', hostname: '10.0.0.50', roles: ['*'] },
    active: false,
    connected: false,
    recovered: true,
  };
  for (const type of ['FRAMEWORK_ADDED', 'FRAMEWORK_UPDATED']) {
    const event = told(type, { framework });
    assert.ok(event.kind === 'framework');
    const { id, name, hostname, active, endpoint, tasks } = event.framework;
    assert.deepEqual(
      [id, name, hostname, active, endpoint, tasks],
      ['F', 'marathon', '10.0.0.50', false, null, []],
    );
  }
});

function subscribed(more: Json = {}): Json {
  return {
    get_state: {
      get_tasks: { tasks: [v1Task()] },
      get_frameworks: {
        frameworks: [{ framework_info: { id: { value: 'F' }, name: 'marathon' } }],
      },
      get_agents: { agents: [], recovered_agents: [{ id: { value: 'S7' } }] },
    },
    heartbeat_interval_seconds: 15,
    ...more,
  };
}

test('SUBSCRIBED tells the whole cluster and how often the master shows a sign of life', () => {
  const event = told('SUBSCRIBED', subscribed());
  assert.ok(event.kind === 'snapshot');
  const { snapshot, heartbeatSeconds } = event;
  assert.equal(heartbeatSeconds, 15);
  const { leader, taskCount, recovering, masterId } = snapshot;
  assert.deepEqual([leader, taskCount, recovering, masterId], [LEADER, 1, ['S7'], '']);
});

test('a master that sends no heartbeats, or at no sensible interval, says so', () => {
  for (const interval of [undefined, null, 0, -1, '15', {}]) {
    const event = told('SUBSCRIBED', subscribed({ heartbeat_interval_seconds: interval }));
    assert.ok(event.kind === 'snapshot');
    assert.equal(event.heartbeatSeconds, null);
  }
});

test('SUBSCRIBED without a whole state is no event: the stream is no good', () => {
  const parts: readonly Json[] = [{}, { get_state: {} }, { get_state: { get_tasks: {} } }];
  const texts = parts.map((members) => JSON.stringify({ type: 'SUBSCRIBED', subscribed: members }));
  for (const text of [...texts, '{"type":"SUBSCRIBED"}', '{"type":"SUBSCRIBED","subscribed":7}']) {
    const result = parseEvent(Buffer.from(text), LEADER, new AddressCache(), new RejectionList());
    assert.equal(result.ok, false, text);
  }
});

test('heartbeats and events of versions to come tell nothing', () => {
  assert.deepEqual(readText('{"type":"HEARTBEAT"}'), { event: { kind: 'other' }, rejections: [] });
  assert.equal(told('AGENT_SLEEPS', { agent: [1, { 2: 3 }] }).kind, 'other');
});

test('the type decides which member counts, wherever it stands', () => {
  const task_updated = update();
  const agent_removed = { agent_id: { value: 'S0' } };
  const first = readText(JSON.stringify({ task_updated, agent_removed, type: 'AGENT_REMOVED' }));
  assert.equal(first.event.kind, 'agent-removed');
  const last = readText(JSON.stringify({ type: 'HEARTBEAT', task_updated, agent_removed }));
  assert.equal(last.event.kind, 'other');
});

test('what is no JSON object with a type is no event', () => {
  for (const text of ['', 'null', '[]', '7', '{', '{}', '{"type":7}', '{"type":"HEARTBEAT"} x']) {
    const result = parseEvent(Buffer.from(text), LEADER, new AddressCache(), new RejectionList());
    assert.equal(result.ok, false, text);
  }
});

test('events without what tells them apart are rejected, each with its path', () => {
  const noId = v1Task({ task_id: {} });
  assert.deepEqual(refused('TASK_ADDED', { task: noId }), ['task_added.task: task-malformed']);
  const noOwner = update({ framework_id: [] });
  assert.deepEqual(refused('TASK_UPDATED', noOwner), ['task_updated: task-malformed']);
  const noState = update({ state: 7 });
  assert.deepEqual(refused('TASK_UPDATED', noState), ['task_updated.state: task-malformed']);
  assert.deepEqual(refused('AGENT_ADDED', {}), ['agent_added.agent: agent-malformed']);
  const noPid = { agent_info: { id: { value: 'S0' }, hostname: 'a.example.com' } };
  assert.deepEqual(refused('AGENT_ADDED', { agent: noPid }), [
    'agent_added.agent.pid: pid-malformed',
  ]);
  assert.deepEqual(refused('AGENT_REMOVED', {}), ['agent_removed.agent_id: agent-malformed']);
  const noName = { framework: { framework_info: { id: { value: 'F' } } } };
  assert.deepEqual(refused('FRAMEWORK_ADDED', noName), [
    'framework_added.framework: framework-malformed',
  ]);
  const unnamed = { framework: { framework_info: { name: 'marathon' } } };
  assert.deepEqual(refused('FRAMEWORK_UPDATED', unnamed), [
    'framework_updated.framework.framework_info.id: framework-malformed',
  ]);
  assert.deepEqual(refused('FRAMEWORK_REMOVED', { framework_info: 7 }), [
    'framework_removed.framework_info.id: framework-malformed',
  ]);
});

test('events without the member that is named like them are rejected', () => {
  for (const type of ['TASK_ADDED', 'TASK_UPDATED', 'AGENT_ADDED', 'FRAMEWORK_REMOVED']) {
    const { event, rejections } = readText(JSON.stringify({ type }));
    assert.deepEqual(
      [event.kind, rejections.map(({ path }) => path)],
      ['other', [type.toLowerCase()]],
    );
  }
});

test('bad parts of a good task lose only themselves', () => {
  const ranges = { range: [{ begin: 'x', end: 7 }] };
  const task = v1Task({
    resources: [{ name: 'ports', type: 'RANGES', ranges }],
    statuses: [v1Status({ container_status: { network_infos: [{ ip_address: 'nowhere' }] } })],
    discovery: 7,
    container: [],
    labels: 'x',
  });
  const { event, rejections } = read('TASK_ADDED', { task });
  assert.ok(event.kind === 'task-added' && event.task !== null);
  assert.deepEqual([event.task.hostPorts, event.task.networkAddresses], [[], []]);
  assert.ok(rejections.length > 0);
  for (const { path } of rejections) assert.ok(path.startsWith('task_added.task(F/web.1)'), path);
});

/** Replaces one value anywhere in a text of JSON. */
function spoil(text: string, at: number, by: unknown): string {
  let n = 0;
  return JSON.stringify(
    JSON.parse(text, (_key, value: unknown) => (n++ === at ? by : value)) as unknown,
  );
}

test('whatever stands in the place of any member, reading does not throw', () => {
  const { records } = recordedStream('event-stream');
  const kinds = new Map(records.map((text) => [(JSON.parse(text) as { type: string }).type, text]));
  assert.equal(kinds.size, 9);
  const texts = [...kinds.values()];
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.nat({ max: 400 }),
      fc.oneof(fc.constantFrom(null, 7, '', [], {}, [null], { value: {} }), fc.jsonValue()),
      (text, at, by) => {
        const rejections = new RejectionList();
        const spoiled = Buffer.from(spoil(text, at, by));
        const result = parseEvent(spoiled, LEADER, new AddressCache(), rejections);
        assert.ok(result.ok || result.error !== '');
      },
    ),
    { numRuns: 1_000 },
  );
});

test('an event that is cut anywhere is none', () => {
  const text = Buffer.from(JSON.stringify({ type: 'TASK_UPDATED', task_updated: update() }));
  for (let length = 0; length < text.length; length++) {
    const result = parseEvent(
      text.subarray(0, length),
      LEADER,
      new AddressCache(),
      new RejectionList(),
    );
    assert.equal(result.ok, false);
  }
});
