import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import { parseApps } from '../../../src/core/marathon/parse-apps.ts';
import type { TaskHealth } from '../../../src/core/marathon/task-health.ts';
import { spoiled } from '../../support/arbitraries.ts';
import type { Json } from '../../support/state-builder.ts';
import {
  ALIVE,
  app,
  appTask,
  check,
  deploying,
  EARLIER,
  FAILED,
  UNKNOWN,
} from './marathon-apps.ts';

type Verdicts = Readonly<Record<string, TaskHealth>>;

/** Verdicts on the tasks of these apps, after these. */
function verdicts(apps: readonly unknown[], before: Verdicts = {}): Verdicts {
  const rejections = new RejectionList();
  const read = parseApps(JSON.stringify({ apps }), new Map(Object.entries(before)), rejections);
  assert.ok(read.ok, read.ok ? '' : read.error);
  assert.deepEqual(rejections.items, []);
  return Object.fromEntries(read.value);
}

function errorOf(body: string): string {
  const read = parseApps(body, new Map(), new RejectionList());
  assert.ok(!read.ok);
  return read.error;
}

const HTTP: Json = { healthChecks: [check('HTTP')] };

const HEALTH: readonly {
  what: string;
  app: Json;
  before?: Verdicts;
  verdicts: Verdicts;
}[] = [
  {
    what: 'a task that passes its check is healthy',
    app: app([appTask('a', [ALIVE])], HTTP),
    verdicts: { a: 'healthy' },
  },
  {
    what: 'a task that fails its check is unhealthy from the first failure on',
    app: app([appTask('a', [FAILED])], HTTP),
    verdicts: { a: 'unhealthy' },
  },
  {
    what: 'a task must pass all its checks',
    app: app([appTask('a', [ALIVE, FAILED]), appTask('b', [ALIVE, ALIVE])], HTTP),
    verdicts: { a: 'unhealthy', b: 'healthy' },
  },
  {
    what: 'a new task without a result is unhealthy',
    app: app([appTask('a', []), appTask('b', [UNKNOWN]), appTask('c', [null])], HTTP),
    verdicts: { a: 'unhealthy', b: 'unhealthy', c: 'unhealthy' },
  },
  {
    what: 'one result of two is not enough',
    app: app([appTask('a', [ALIVE, UNKNOWN])], HTTP),
    verdicts: { a: 'unhealthy' },
  },
  {
    what: 'a task that was healthy stays so when a new leader of Marathon knows no result yet',
    app: app([appTask('a', []), appTask('b', [UNKNOWN]), appTask('c', [])], HTTP),
    before: { a: 'healthy', b: 'healthy', c: 'unhealthy' },
    verdicts: { a: 'healthy', b: 'healthy', c: 'unhealthy' },
  },
  {
    what: 'a task that was healthy is unhealthy when its check fails',
    app: app([appTask('a', [FAILED])], HTTP),
    before: { a: 'healthy' },
    verdicts: { a: 'unhealthy' },
  },
  {
    what: 'tasks of an older configuration, which may have had no check, are not said to fail it',
    app: app(
      [appTask('a', [], { version: EARLIER }), appTask('b', [FAILED], { version: EARLIER })],
      HTTP,
    ),
    verdicts: { b: 'unhealthy' },
  },
  {
    what: 'without checks Marathon has no say',
    app: app([appTask('a', []), appTask('b', [ALIVE])]),
    verdicts: {},
  },
  {
    what: 'checks that agents make are left to Mesos',
    app: app([appTask('a', [FAILED])], {
      healthChecks: ['MESOS_HTTP', 'MESOS_HTTPS', 'MESOS_TCP', 'COMMAND'].map(check),
    }),
    verdicts: {},
  },
  {
    what: 'one check of Marathon among those of agents counts, and so do all results',
    app: app([appTask('a', [ALIVE, FAILED]), appTask('b', [ALIVE])], {
      healthChecks: [check('COMMAND'), check('TCP')],
    }),
    verdicts: { a: 'unhealthy', b: 'healthy' },
  },
  {
    what: 'HTTPS is checked by Marathon, and so is what names no protocol',
    app: app([appTask('a', [FAILED])], { healthChecks: [{}] }),
    verdicts: { a: 'unhealthy' },
  },
];

for (const { what, app: one, before, verdicts: expected } of HEALTH) {
  test(what, () => {
    assert.deepEqual(verdicts([one], before), expected);
  });
}

// Readiness

test('a task is not ready until its check says so', () => {
  const tasks = [appTask('a', []), appTask('b', []), appTask('c', [])];
  assert.deepEqual(verdicts([app(tasks, deploying(['a', true], ['b', false]))]), {
    a: 'healthy',
    b: 'not-ready',
    c: 'not-ready',
  });
});

test('all readiness checks of a task count', () => {
  const more = deploying(['a', true], ['a', false], ['b', false], ['b', true]);
  const tasks = [appTask('a', []), appTask('b', [])];
  assert.deepEqual(verdicts([app(tasks, more)]), { a: 'not-ready', b: 'not-ready' });
});

test('outside of a deployment every task is ready', () => {
  const more = { ...deploying(), deployments: [] };
  assert.deepEqual(verdicts([app([appTask('a', [])], more)]), { a: 'healthy' });
});

test('tasks of the configuration before are ready while new ones are awaited', () => {
  const tasks = [appTask('old', [], { version: EARLIER }), appTask('new', [])];
  assert.deepEqual(verdicts([app(tasks, deploying())]), { old: 'healthy', new: 'not-ready' });
});

test('a task that was ready stays so when the next step of the deployment forgets results', () => {
  const tasks = [appTask('a', []), appTask('b', [])];
  const before = { a: 'healthy', b: 'not-ready' } as const;
  assert.deepEqual(verdicts([app(tasks, deploying())], before), { a: 'healthy', b: 'not-ready' });
});

test('a task that is ready must be healthy, too', () => {
  const tasks = [appTask('a', [FAILED]), appTask('b', [ALIVE])];
  const more = { ...deploying(['a', true], ['b', false]), ...HTTP };
  assert.deepEqual(verdicts([app(tasks, more)]), { a: 'unhealthy', b: 'not-ready' });
});

// What comes from outside

test('members of an app come in any order', () => {
  const members = Object.entries(
    app([appTask('a', [ALIVE]), appTask('b', [FAILED]), appTask('c', [ALIVE])], {
      ...HTTP,
      ...deploying(['a', true]),
    }),
  );
  fc.assert(
    fc.property(fc.shuffledSubarray(members, { minLength: members.length }), (shuffled) => {
      assert.deepEqual(verdicts([Object.fromEntries(shuffled)]), {
        a: 'healthy',
        b: 'unhealthy',
        c: 'not-ready',
      });
    }),
  );
});

test('what makes no sense loses itself only, and is listed', () => {
  const rejections = new RejectionList();
  const apps = [
    7,
    app([{ id: 7 }, appTask('a', ['alive', ALIVE]), 'task', appTask('x'.repeat(256), [FAILED])], {
      ...HTTP,
      readinessCheckResults: [{ taskId: 'a' }],
    }),
  ];
  const read = parseApps(JSON.stringify({ apps }), new Map(), rejections);
  assert.ok(read.ok);
  assert.deepEqual([...read.value], [['a', 'healthy']]);
  assert.deepEqual(
    rejections.items.map(({ path, code }) => `${path} ${code}`),
    [
      'apps[0] app-malformed',
      'apps[1].readinessCheckResults[0] readiness-result-malformed',
      'apps[1].tasks[0].id task-id-malformed',
      'apps[1].tasks[1].healthCheckResults[0] health-result-malformed',
      'apps[1].tasks[2] task-malformed',
      'apps[1].tasks[3].id task-id-malformed',
    ],
  );
});

test('an answer that is no list of apps is refused', () => {
  assert.match(errorOf('{"message":"no leader"}'), /no list `apps`/);
  assert.match(errorOf('{"apps":{}}'), /no list `apps`/);
  assert.match(errorOf('[]'), /no list `apps`/);
  assert.match(errorOf('<html>'), /not JSON/);
  assert.match(errorOf(''), /not JSON/);
  assert.match(errorOf(`{"apps":[${'['.repeat(100_000)}`), /less nesting/);
});

const WHOLE = JSON.stringify({
  apps: [app([appTask('a', [ALIVE]), appTask('b', [])], { ...HTTP, ...deploying(['a', true]) })],
});

test('an answer that is cut anywhere is refused', () => {
  for (let end = 0; end < WHOLE.length; end++) assert.match(errorOf(WHOLE.slice(0, end)), /JSON/);
});

test('nothing that a server sends makes it throw', () => {
  const read = (body: string | Uint8Array): void => {
    parseApps(body, new Map(), new RejectionList());
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), read));
  fc.assert(
    fc.property(
      spoiled(fc.constant(JSON.parse(WHOLE))).map((value) => JSON.stringify(value)),
      read,
    ),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(
      fc.json().map((json) => `{"apps":[${json}]}`),
      read,
    ),
  );
  fc.assert(
    fc.property(
      fc.json().map((json) => `{"apps":[{"healthChecks":[{}],"tasks":[${json}]}]}`),
      read,
    ),
  );
});
