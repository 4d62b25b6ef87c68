import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import {
  type LongProcess,
  fetchText,
  runCli,
  runProgram,
  scratchFolder,
  startCli,
} from '../support/cli-process.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { missingTools, toolPath } from '../support/tools.ts';

/** The demo on ports of the system's choice, and the commands that it prints. */
async function startDemo(t: Cleanup): Promise<{ demo: LongProcess; commands: readonly string[] }> {
  const demo = startCli(t, ['demo', '--dns-port', '0', '--http-port', '0']);
  await demo.prints('its introduction', () => demo.stdout.includes('Ctrl-C ends it.\n'));
  const commands = [...demo.stdout.matchAll(/^ {2}(\S.*)$/gm)].map(([, command = '']) => command);
  return { demo, commands };
}

suite('hoplite demo', { skip: missingTools('dig', 'curl') }, () => {
  test('prints four commands that work at once', async (t) => {
    const { demo, commands } = await startDemo(t);
    const [dig, vip, services, status, ...others] = await Promise.all(
      commands.map((command) => runProgram('sh', ['-c', command])),
    );
    assert.ok(dig !== undefined && vip !== undefined);
    assert.ok(services !== undefined && status !== undefined);
    assert.equal(others.length, 0);
    assert.deepEqual(
      [dig, vip, services, status].map((command) => command.status),
      [0, 0, 0, 0],
    );

    const addresses = [
      ...dig.stdout.matchAll(/^web\.shop\.marathon\.mesos\.\s+5\s+IN\s+A\s+(.*)$/gm),
    ];
    assert.deepEqual(addresses.map(([, address]) => address).sort(), ['127.0.0.1', '127.0.0.2']);
    // The same wherever it runs: addresses of VIPs follow from their names.
    assert.match(
      vip.stdout,
      /^shopweb\.marathon\.l4lb\.mesos\.\s+5\s+IN\s+A\s+10\.221\.135\.244$/m,
    );

    const found = JSON.parse(services.stdout) as { ip: string; port: string }[];
    assert.deepEqual(found.map(({ ip }) => ip).sort(), ['127.0.0.1', '127.0.0.2']);
    // What the names lead to is really there.
    for (const { ip, port } of found) {
      assert.match((await fetchText(`http://${ip}:${port}/`)).body, /^\/shop\/web instance \d\n$/);
    }

    const { ready, reasons } = JSON.parse(status.stdout) as { ready: boolean; reasons: string[] };
    assert.deepEqual([ready, reasons], [true, []]);

    demo.signal('SIGINT');
    assert.deepEqual(await demo.end(), { status: 0, signal: null });
    assert.equal(demo.stderr, '');
  });

  const needs = missingTools('named-checkzone');
  test('other servers load the zone of its state', { skip: needs }, async (t) => {
    const { commands } = await startDemo(t);
    const status = commands.at(-1) ?? '';
    const { stdout } = await runProgram('sh', ['-c', status]);
    const { source } = JSON.parse(stdout) as { source: { leader: string } };
    const { body } = await fetchText(`http://${source.leader}/master/state`);
    const shown = await runCli(['show-records', '--state', '-'], { input: body });
    assert.deepEqual([shown.status, shown.stderr], [0, '']);
    const file = join(scratchFolder(t), 'zone');
    writeFileSync(file, shown.stdout);
    const args = ['-i', 'full', '-k', 'ignore', 'mesos', file];
    const loaded = await runProgram(toolPath('named-checkzone') ?? '', args);
    assert.equal(loaded.stdout, 'zone mesos/IN: loaded serial 1\nOK\n');
  });

  test('exit 1: a port that is taken is named', async (t) => {
    const { commands } = await startDemo(t);
    const [, port = ''] = / -p (\d+) /.exec(commands[0] ?? '') ?? [];
    const { status, stdout, stderr } = await runCli(['demo', '--dns-port', port]);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, new RegExp(`^hoplite: cannot listen on UDP 127\\.0\\.0\\.1:${port} `));
  });
});
