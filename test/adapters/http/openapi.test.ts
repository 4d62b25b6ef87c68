import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fastify } from 'fastify';
import { ROUTES } from '../../../src/adapters/http/routes.ts';
import { startApi } from './test-api.ts';
import type { TestApi } from './test-api.ts';

type Json = Record<string, unknown>;

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: Json }[];
  readonly responses: Record<
    string,
    { description: string; content: Record<string, { schema: Json }> }
  >;
}

interface Document {
  readonly openapi: string;
  readonly info: { title: string; version: string; license: Json };
  readonly tags: readonly { name: string }[];
  readonly components: { readonly schemas: Record<string, Json> };
  readonly paths: Record<string, Record<string, Operation>>;
}

async function documentOf(api: TestApi): Promise<Document> {
  const reply = await api.get('/openapi.json');
  assert.equal(reply.headers['content-type'], 'application/json');
  return JSON.parse(reply.body) as Document;
}

/** Calls `visit` for every object inside `value`. */
function walk(value: unknown, visit: (node: Json) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) visit(value as Json);
  for (const member of Object.values(value)) walk(member, visit);
}

const JSON_TYPES = ['application/json', 'application/x-ndjson'];

const inDocument = (path: string): string => path.replace(/:(\w+)/g, '{$1}');

test('the OpenAPI document has every route of the table and no other', async (t) => {
  const document = await documentOf(await startApi(t));
  assert.deepEqual(
    Object.keys(document.paths).toSorted(),
    ROUTES.map(({ path }) => inDocument(path)).toSorted(),
  );
  for (const { path, method, summary, responses } of ROUTES) {
    const item = document.paths[inDocument(path)] ?? {};
    const operation = item[method.toLowerCase()];
    assert.equal(Object.keys(item).length, 1, path);
    assert.equal(operation?.summary, summary);
    assert.deepEqual(Object.keys(operation.responses), Object.keys(responses));
  }
});

test('the OpenAPI document is a sound 3.1 document', async (t) => {
  const document = await documentOf(await startApi(t));
  assert.match(document.openapi, /^3\.1\.\d+$/);
  assert.equal(document.info.title, 'hoplite');
  assert.equal(document.info.version, '1.2.3');
  const operations = Object.entries(document.paths).map(([path, item]) => ({
    path,
    operation: Object.values(item)[0]!,
  }));
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length, 'operation ids are unique');
  const tags = document.tags.map(({ name }) => name);
  for (const { path, operation } of operations) {
    assert.match(operation.operationId, /^[a-zA-Z][a-zA-Z0-9]*$/);
    assert.ok(
      operation.tags.every((tag) => tags.includes(tag)),
      path,
    );
    const templated = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const parameters = operation.parameters ?? [];
    const inPath = parameters.filter((each) => each.in === 'path');
    assert.deepEqual(
      inPath.map(({ name }) => name),
      templated,
      path,
    );
    assert.ok(
      inPath.every(({ required }) => required),
      path,
    );
    const route = ROUTES.find((each) => inDocument(each.path) === path);
    assert.deepEqual(
      parameters.flatMap((each) => (each.in === 'query' ? [[each.name, each.required]] : [])),
      Object.entries(route?.query ?? {}).map(([name, { required }]) => [name, required]),
      path,
    );
    for (const [status, response] of Object.entries(operation.responses)) {
      assert.match(status, /^[1-5]\d\d$/);
      assert.ok(response.description.length > 0, `${path} ${status}`);
      for (const media of Object.values(response.content)) assert.ok(media.schema, path);
    }
  }
});

test('every reference in the OpenAPI document leads to a schema, and every schema is used', async (t) => {
  const document = await documentOf(await startApi(t));
  const referenced = new Set<string>();
  walk(document, (node) => {
    if (typeof node['$ref'] !== 'string') return;
    assert.match(node['$ref'], /^#\/components\/schemas\/\w+$/);
    referenced.add(node['$ref'].slice('#/components/schemas/'.length));
  });
  assert.deepEqual([...referenced].toSorted(), Object.keys(document.components.schemas).toSorted());
});

test('schemas use the words of JSON Schema 2020-12, not those of OpenAPI 3.0', async (t) => {
  const document = await documentOf(await startApi(t));
  const types = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']);
  walk(Object.values(document.components.schemas), (node) => {
    assert.ok(!('nullable' in node), 'nullable is gone in 3.1');
    assert.ok(typeof node['exclusiveMinimum'] !== 'boolean');
    if (typeof node['type'] === 'string') assert.ok(types.has(node['type']), node['type']);
  });
});

test('what the routes answer fits the schemas they announce', async (t) => {
  const api = await startApi(t);
  const document = await documentOf(api);
  const checker = fastify({
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, strict: false } },
  });
  let checked = 0;
  checker.get('/', async (request) => {
    for (const { path, method } of ROUTES) {
      const target = `${path.replace(/:\w+/, 'web.marathon.mesos')}?name=web.marathon.mesos`;
      const reply = await api.request(method, target);
      const operation = document.paths[inDocument(path)]?.[method.toLowerCase()];
      const response = operation?.responses[reply.status];
      const type = reply.headers['content-type']?.split(';')[0] ?? '';
      assert.ok(response?.content[type] !== undefined, `${path} announces ${reply.status} ${type}`);
      if (!JSON_TYPES.includes(type)) continue;
      const schema = {
        ...response.content[type].schema,
        components: document.components,
      };
      const values = type === 'application/json' ? [reply.body] : reply.body.trim().split('\n');
      for (const value of values) {
        assert.equal(request.validateInput(JSON.parse(value), schema), true, path);
      }
      checked++;
    }
    return 'ok';
  });
  const { statusCode, body } = await checker.inject('/');
  await checker.close();
  assert.equal(statusCode, 200, body);
  assert.ok(checked >= 14, `${checked} answers checked`);
});
