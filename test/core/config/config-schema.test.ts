import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configSchema } from '../../../src/core/config/config-schema.ts';
import { NATIVE_PATHS } from '../../../src/core/config/native-keys.ts';
import { parseConfig } from '../../../src/core/config/parse-config.ts';
import { projectFiles, readProjectFile } from '../../support/project.ts';

type Schema = Readonly<Record<string, unknown>> & {
  readonly properties?: Readonly<Record<string, Schema>>;
};

/** Every schema of a key, by its path. */
function leaves(schema: Schema, path = ''): Map<string, Schema> {
  const found = new Map<string, Schema>();
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const at = path === '' ? key : `${path}.${key}`;
    if (child.properties === undefined) found.set(at, child);
    else for (const [inner, leaf] of leaves(child, at)) found.set(inner, leaf);
  }
  return found;
}

const schema = configSchema() as Schema;

describe('the JSON Schema of the native format', () => {
  test('config/hoplite.schema.json is what the table of keys says', () => {
    assert.deepEqual(
      JSON.parse(readProjectFile('config/hoplite.schema.json')),
      JSON.parse(JSON.stringify(schema)),
      'run `npm run build && node scripts/write-config-schema.mjs`',
    );
  });

  test('has every key of the table, each described in one sentence', () => {
    const keys = leaves(schema);
    keys.delete('$schema');
    assert.deepEqual([...keys.keys()].toSorted(), [...NATIVE_PATHS].toSorted());
    for (const [path, { description }] of keys) {
      assert.match(String(description), /^.{10,200}\.$/, path);
    }
  });

  test('requires the masters or ZooKeeper and nothing else', () => {
    const required = Object.entries(schema.properties ?? {}).map(([key, section]) => [
      key,
      section['required'],
    ]);
    assert.deepEqual(schema['required'], ['cluster']);
    assert.deepEqual(
      required.filter(([, keys]) => keys !== undefined),
      [],
    );
    assert.deepEqual(schema.properties?.['cluster']?.['anyOf'], [
      { required: ['masters'] },
      { required: ['zookeeper'] },
    ]);
  });

  test('refuses unknown keys in every object', () => {
    const check = (node: Schema, path: string): void => {
      if (node.properties === undefined) return;
      assert.equal(node['additionalProperties'], false, path);
      for (const [key, child] of Object.entries(node.properties)) check(child, `${path}.${key}`);
    };
    check(schema, '');
  });

  test('its defaults mean what leaving the keys out means', () => {
    const least = { cluster: { masters: ['a'], marathon: { instances: ['m'] } } };
    const file: Record<string, unknown> = structuredClone(least);
    for (const [path, leaf] of leaves(schema)) {
      if (leaf['default'] === undefined) continue;
      const keys = path.split('.');
      let section = file;
      for (const key of keys.slice(0, -1)) section = (section[key] ??= {}) as typeof file;
      section[keys.at(-1)!] = leaf['default'];
    }
    assert.deepEqual(parseConfig(JSON.stringify(file), ''), parseConfig(JSON.stringify(least), ''));
  });
});

describe('the files in config/', () => {
  const examples = projectFiles('config').filter(
    (path) => path.endsWith('.example.json') && !path.endsWith('services.example.json'),
  );

  test('are one example of each format', () => {
    const formats = examples.map((path) => parseConfig(readProjectFile(path), '').config?.format);
    assert.deepEqual(formats.toSorted(), ['mesos-dns', 'native']);
  });

  for (const path of examples) {
    test(`${path} has no problem`, () => {
      assert.deepEqual(parseConfig(readProjectFile(path), '').problems, []);
    });
  }
});
