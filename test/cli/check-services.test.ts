import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runCli, scratchFolder } from '../support/cli-process.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { projectPath } from '../support/project.ts';

const STATE = projectPath('test/fixtures/mesos-1.12-small-state.json');

function fileWith(t: Cleanup, text: string): string {
  const file = join(scratchFolder(t), 'services.json');
  writeFileSync(file, text);
  return file;
}

describe('hoplite check-services', () => {
  test('prints what a good file means, which means the same', async (t) => {
    const first = await runCli(['check-services', projectPath('config/services.example.json')]);
    assert.deepEqual([first.status, first.stderr], [0, '']);
    const again = await runCli(['check-services', fileWith(t, first.stdout)]);
    assert.deepEqual(again, first);
  });

  test('prints mistakes, and the services that count', async (t) => {
    const text = '{"services": [{"name": "a", "endpoints": ["10.0.0.1"]}, {"nam": "b"}]}';
    const file = fileWith(t, text);
    const { status, stdout, stderr } = await runCli(['check-services', file]);
    assert.equal(status, 78);
    assert.match(stderr, /^error: .*services\.json: services\[1\]\.nam: .*did you mean "name"\?$/m);
    assert.match(stdout, /"address": "10\.0\.0\.1"/);
  });

  test('a warning is no mistake', async (t) => {
    const file = fileWith(t, '{"services": [{"name": "a", "endpoints": ["127.0.0.1"]}]}');
    const { status, stderr } = await runCli(['check-services', file]);
    assert.equal(status, 0);
    assert.match(stderr, /^warning: /);
  });

  test('prints no services of what is no services file', async (t) => {
    for (const file of [fileWith(t, '{'), join(scratchFolder(t), 'nowhere.json')]) {
      const { status, stdout, stderr } = await runCli(['check-services', file]);
      assert.deepEqual([status, stdout], [78, '']);
      assert.match(stderr, /^error: .*(is not JSON at 1:2|does not exist)/);
    }
  });

  test('takes one file', async () => {
    for (const args of [[], ['a', 'b']]) {
      const { status, stderr } = await runCli(['check-services', ...args]);
      assert.equal(status, 64);
      assert.match(stderr, /check-services takes one FILE/);
    }
  });
});

describe('hoplite show-records with a services file', () => {
  const show = (t: Cleanup, servicesFile: string): ReturnType<typeof runCli> => {
    const config = fileWith(
      t,
      JSON.stringify({ cluster: { masters: ['10.0.0.1:5050'], servicesFile } }),
    );
    return runCli(['show-records', '--state', STATE, '--config', config]);
  };

  test('has the names of its services, and says what it lacks', async (t) => {
    const services = [{ name: 'db', endpoints: ['10.9.0.5', 'db2.example.test'] }, { nam: 'b' }];
    const { status, stdout, stderr } = await show(t, fileWith(t, JSON.stringify({ services })));
    assert.equal(status, 0);
    assert.match(stdout, /^db\.static\.mesos\. IN A 10\.9\.0\.5$/m);
    assert.match(stderr, /^rejected: services\[0\]\.endpoints\[1\]\.host: host-unknown: /m);
    assert.match(stderr, /^rejected: services\[1\]\.nam: service-malformed: /m);
  });

  test('fails without the file, or with one that has no services', async (t) => {
    const missing = await show(t, join(scratchFolder(t), 'nowhere.json'));
    assert.deepEqual([missing.status, missing.stdout], [1, '']);
    assert.match(missing.stderr, /nowhere\.json: does not exist$/m);
    const bad = await show(t, fileWith(t, '[]'));
    assert.deepEqual([bad.status, bad.stdout], [78, '']);
    assert.match(bad.stderr, /expected a JSON object, found a list/);
  });
});
