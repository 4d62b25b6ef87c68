import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createViewGate } from '../../../src/adapters/http/view-gate.ts';
import type { ViewGate } from '../../../src/adapters/http/view-gate.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { ApiSource, Log, ViewRequest } from '../../../src/core/ports.ts';

const ignore = (): void => undefined;
const SILENT: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

interface Rendering {
  readonly request: ViewRequest;
  readonly resolve: (text: string) => void;
  readonly reject: (error: unknown) => void;
}

function gate(limits = { viewsMax: 2, viewTimeoutMs: 60_000 }): {
  views: ViewGate;
  renderings: Rendering[];
} {
  const renderings: Rendering[] = [];
  const view: ApiSource['view'] = (request) =>
    new Promise((resolve, reject) => renderings.push({ request, resolve, reject }));
  return { views: createViewGate({ view }, limits, SILENT), renderings };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const bytes = (text: string): Buffer => Buffer.from(text);

const codeOf = async (outcome: ReturnType<ViewGate['view']>): Promise<string> => {
  const settled = await outcome;
  return settled.ok ? 'ok' : settled.error.code;
};

test('equal requests at the same time share one rendering, later ones get a new one', async () => {
  const { views, renderings } = gate();
  const both = [views.view({ kind: 'axfr' }), views.view({ kind: 'axfr' })];
  await turn();
  assert.equal(renderings.length, 1);
  renderings[0]?.resolve('first');
  const [one, other] = await Promise.all(both);
  assert.deepEqual(one, { ok: true, value: bytes('first') });
  assert.ok(other?.ok && one.value === other.value, 'they share the memory');
  const later = views.view({ kind: 'axfr' });
  await turn();
  renderings[1]?.resolve('second');
  assert.deepEqual(await later, { ok: true, value: bytes('second') });
});

test('explanations of different names are different renderings', async () => {
  const { views, renderings } = gate();
  const outcomes = ['a.mesos', 'b.mesos'].map((name) => views.view({ kind: 'explain', name }));
  await turn();
  for (const { request, resolve } of renderings) resolve(JSON.stringify(request));
  assert.deepEqual(
    (await Promise.all(outcomes)).map((outcome) => outcome.ok && outcome.value.toString()),
    ['{"kind":"explain","name":"a.mesos"}', '{"kind":"explain","name":"b.mesos"}'],
  );
});

test('past the limit of renderings a request is turned away at once', async () => {
  const { views, renderings } = gate();
  const waiting = [views.view({ kind: 'axfr' }), views.view({ kind: 'records' })];
  await turn();
  assert.equal(await codeOf(views.view({ kind: 'enumerate' })), 'busy');
  for (const { resolve } of renderings) resolve('{}');
  await Promise.all(waiting);
  const next = views.view({ kind: 'enumerate' });
  await turn();
  renderings[2]?.resolve('{}');
  assert.equal(await codeOf(next), 'ok');
});

test('nobody waits longer than the deadline, and the place stays taken until the worker is done', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { views, renderings } = gate({ viewsMax: 1, viewTimeoutMs: 1000 });
  const late = views.view({ kind: 'axfr' });
  await turn();
  t.mock.timers.tick(1000);
  assert.equal(await codeOf(late), 'timeout');
  assert.equal(await codeOf(views.view({ kind: 'records' })), 'busy');
  renderings[0]?.resolve('{}');
  await turn();
  const next = views.view({ kind: 'records' });
  await turn();
  renderings[1]?.resolve('{}');
  assert.equal(await codeOf(next), 'ok');
});

test('errors become codes, also when the source throws instead of rejecting', async () => {
  const { views, renderings } = gate();
  const failed = views.view({ kind: 'axfr' });
  await turn();
  renderings[0]?.reject(new DaemonError('worker-failed', 'it exited with 1'));
  assert.equal(await codeOf(failed), 'worker-failed');
  const throwing = createViewGate(
    {
      view: () => {
        throw new Error('postMessage failed');
      },
    },
    { viewsMax: 1, viewTimeoutMs: 1000 },
    SILENT,
  );
  assert.equal(await codeOf(throwing.view({ kind: 'axfr' })), 'internal');
});

test('closing lets everybody who waits go and leaves no timer behind', async () => {
  const { views } = gate();
  const waiting = [views.view({ kind: 'axfr' }), views.view({ kind: 'axfr' })];
  views.close();
  assert.deepEqual(await Promise.all(waiting.map(codeOf)), ['stopping', 'stopping']);
  assert.ok(!process.getActiveResourcesInfo().includes('Timeout'));
});
