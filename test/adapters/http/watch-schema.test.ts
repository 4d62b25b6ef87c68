import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fastify } from 'fastify';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import type { Framework } from '../../../src/core/mesos/snapshot.ts';
import { watchChanges, watchEvent } from '../../../src/core/views/watch-changes.ts';
import {
  serviceStates,
  vipStates,
  type WatchStates,
} from '../../../src/core/views/watch-states.ts';
import { build, catalogOf, framework, NAMES, port, task } from '../../core/vip/vip-cluster.ts';
import { startApi } from './test-api.ts';

const NOTHING: WatchStates = { services: new Map(), vips: new Map() };

function statesOf(frameworks: readonly Framework[], programmed: string[] | null): WatchStates {
  const catalog = catalogOf(frameworks, {}, new RejectionList());
  const { table } = build(frameworks);
  return {
    services: serviceStates(catalog, { names: NAMES, domain: 'mesos' }),
    vips: vipStates(table, 'mesos', programmed && new Set(programmed)),
  };
}

test('what /v1/watch tells fits the schemas that it announces', async (t) => {
  const api = await startApi(t);
  const { components, paths } = JSON.parse((await api.get('/openapi.json')).body) as {
    components: { schemas: Record<string, unknown> };
    paths: Record<string, { get: { responses: Record<string, { content: object }> } }>;
  };
  assert.deepEqual(paths['/v1/watch']?.get.responses['200']?.content, {
    'text/event-stream': {
      schema: {
        anyOf: [
          { $ref: '#/components/schemas/ServiceChange' },
          { $ref: '#/components/schemas/VipChange' },
        ],
      },
    },
  });
  const declared = [port(31_000, ['VIP_0=/web:80', 'VIP_1=10.0.9.9:80'], { name: 'http' })];
  const discovery = { name: 'web', ports: declared };
  const web = task('web.1', declared, { discovery });
  const before = statesOf([framework('marathon', [web, task('db.1', [], { name: 'db' })])], null);
  const after = statesOf(
    [
      framework(
        'marathon',
        [{ ...web, healthy: false }, task('web.2', declared, { agentId: 'S1', discovery })],
        [task('db.1', [], { name: 'db', phase: 'killing', hostPorts: [31_001] })],
      ),
    ],
    [],
  );
  const changes = [
    ...watchChanges(NOTHING, before),
    ...watchChanges(before, after),
    ...watchChanges(after, NOTHING),
  ];
  assert.ok(changes.length >= 9, `${changes.length} changes`);
  const checker = fastify({
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, strict: false } },
  });
  checker.get('/', (request) => {
    for (const { kind, text } of changes.map(watchEvent)) {
      const $ref = `#/components/schemas/${kind === 'vip' ? 'VipChange' : 'ServiceChange'}`;
      assert.equal(request.validateInput(JSON.parse(text), { $ref, components }), true, text);
    }
    return 'ok';
  });
  const { statusCode, body } = await checker.inject('/');
  await checker.close();
  assert.equal(statusCode, 200, body);
});
