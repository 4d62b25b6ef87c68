import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { CLI, runCli, runProgram, scratchFolder } from '../support/cli-process.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { SMALL_STATE_FILE } from '../support/e2e-master.ts';
import { projectPath, readProjectFile } from '../support/project.ts';
import { missingTools, toolPath } from '../support/tools.ts';

const STATE = projectPath(SMALL_STATE_FILE);
const ZONE = readProjectFile('test/e2e/fixtures/small-state.zone');
const COMMANDS = [
  'serve',
  'demo',
  'check-config',
  'check-services',
  'show-records',
  'show-vips',
  'show-plan',
  'cleanup',
];

function fileWith(t: Cleanup, content: unknown): string {
  const file = join(scratchFolder(t), 'file.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

suite('hoplite', () => {
  test('--help names every command and every exit code', async () => {
    const [long, short, word] = await Promise.all(
      ['--help', '-h', 'help'].map((option) => runCli([option])),
    );
    assert.equal(long?.status, 0);
    for (const command of COMMANDS) assert.match(long.stdout, new RegExp(`^ {2}${command} `, 'm'));
    assert.match(long.stdout, /^Exit codes: 0 .* 1 .* 64 .* 70 .* 78 /m);
    assert.deepEqual([short?.stdout, word?.stdout], [long.stdout, long.stdout]);
  });

  for (const command of COMMANDS) {
    test(`${command} --help shows how it is used, whatever else is said`, async () => {
      const asked = [
        [command, '--help'],
        ['help', command],
        [command, '--config', 'x', '-h'],
      ];
      for (const { status, stdout, stderr } of await Promise.all(asked.map((a) => runCli(a)))) {
        assert.deepEqual([status, stderr], [0, '']);
        assert.ok(stdout.startsWith(`Usage: hoplite ${command} `), stdout);
      }
    });
  }

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(readProjectFile('package.json')) as { version: string };
    for (const option of ['--version', '-V']) {
      const { status, stdout } = await runCli([option]);
      assert.deepEqual([status, stdout], [0, `hoplite ${version}\n`]);
    }
  });

  for (const [message, ...args] of [
    ['which command?'],
    ['there is no command "srve"', 'srve'],
    ['there is no command "srve"', 'srve', '--help'],
    ['there is no command "constructor"', 'constructor'],
    ["Unknown option '--cnofig'", 'serve', '--cnofig', 'x'],
    ["Unexpected argument 'x'", 'serve', 'x'],
    ['serve needs --config FILE', 'serve'],
    ["'-c, --config <value>' argument missing", 'serve', '--config'],
    ['check-config takes one FILE', 'check-config'],
    ['check-config takes one FILE', 'check-config', 'a', 'b'],
    ['show-records needs --state FILE', 'show-records'],
    ['show-vips needs --state FILE', 'show-vips', '--json'],
    ['show-plan needs --state FILE', 'show-plan', '--ipvsadm'],
    ["Unexpected argument 'all'", 'cleanup', 'all'],
    ['--dns-port takes a port from 0 to 65535', 'demo', '--dns-port', '65536'],
    ['--http-port takes a port from 0 to 65535', 'demo', '--http-port', 'x'],
  ] as const) {
    test(`exit 64: hoplite ${args.join(' ')}`, async () => {
      const { status, stdout, stderr } = await runCli(args);
      assert.deepEqual([status, stdout], [64, '']);
      assert.ok(stderr.startsWith('hoplite: ') && stderr.includes(message), stderr);
      assert.match(stderr, /See `hoplite --help`\.\n$/);
    });
  }

  test('a reader that goes away early is no failure', async () => {
    const child = spawn(process.execPath, [CLI, 'check-config', '--schema'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [status] = (await once(child, 'close')) as [number | null];
    assert.deepEqual([status, stderr], [0, '']);
  });
});

suite('hoplite check-config', () => {
  for (const [format, file] of [
    ['native', 'config/hoplite.example.json'],
    ['Mesos-DNS', 'config/mesos-dns.example.json'],
  ] as const) {
    test(`${file} is good, and what it prints means the same`, async (t) => {
      const first = await runCli(['check-config', projectPath(file)]);
      assert.equal(first.status, 0, first.stderr);
      assert.ok(first.stderr.endsWith(`${file}: good (${format} format); as a native file:\n`));
      const native = JSON.parse(first.stdout) as { dns: { ttlSeconds: number } };
      assert.equal(native.dns.ttlSeconds, format === 'native' ? 5 : 60);
      const second = await runCli(['check-config', '--config', fileWith(t, first.stdout)]);
      assert.deepEqual([second.status, second.stdout], [0, first.stdout]);
    });
  }

  test('prints secrets masked', async (t) => {
    const auth = { kind: 'basic', principal: 'hoplite', secret: 'open sesame' };
    const file = fileWith(t, { cluster: { masters: ['10.0.0.1'], auth } });
    const { status, stdout, stderr } = await runCli(['check-config', file]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /"principal": "hoplite"/);
    assert.doesNotMatch(stdout + stderr, /sesame/);
  });

  for (const [format, config, places] of [
    [
      'native',
      {
        cluster: { masters: [] },
        dns: { listen: ['here'], ttlSecond: 5 },
        forward: { timeoutSeconds: 'two' },
      },
      ['cluster.masters', 'dns.listen[0]', 'dns.ttlSecond', 'forward.timeoutSeconds'],
    ],
    [
      'Mesos-DNS',
      { masters: ['10.0.0.1:5050', '10.0.0.1:5050'], port: 'x', domain: '-_', resolvers: ['y'] },
      ['masters[1]', 'port', 'domain', 'resolvers[0]'],
    ],
  ] as const) {
    test(`exit 78: every problem of a ${format} file is told with its place`, async (t) => {
      const file = fileWith(t, config);
      const check = await runCli(['check-config', file]);
      assert.deepEqual([check.status, check.stdout], [78, '']);
      const lines = check.stderr.trimEnd().split('\n');
      assert.equal(lines.length, places.length, check.stderr);
      for (const place of places) {
        const head = `error: ${file}: ${place}: `;
        assert.ok(
          lines.some((line) => line.startsWith(head) && line.length > head.length),
          `${place} in\n${check.stderr}`,
        );
      }
      // The daemon says the same, and so do the other commands that read one.
      for (const command of COMMANDS.filter(
        (name) => !['demo', 'check-config', 'check-services'].includes(name),
      )) {
        const state = command.startsWith('show-') ? ['--state', STATE] : [];
        const run = await runCli([command, ...state, '--config', file]);
        assert.deepEqual([run.status, run.stdout, run.stderr], [78, '', check.stderr]);
      }
    });
  }

  test('exit 78: a file that names another file needs that one', async (t) => {
    const missing = join(scratchFolder(t), 'ca.pem');
    const file = fileWith(t, { cluster: { masters: ['10.0.0.1'], tls: { caFile: missing } } });
    const { status, stderr } = await runCli(['check-config', file]);
    assert.equal(status, 78);
    assert.ok(stderr.includes('cluster.tls.caFile: ') && stderr.includes(missing), stderr);
  });

  test('exit 78: a file that cannot be read or is no JSON', async (t) => {
    for (const [path, reason] of [
      [join(scratchFolder(t), 'absent.json'), 'does not exist'],
      [scratchFolder(t), 'is a directory'],
      [fileWith(t, '{"cluster": '), 'JSON'],
    ] as const) {
      for (const command of ['check-config', 'serve']) {
        const { status, stdout, stderr } = await runCli([command, '-c', path]);
        assert.deepEqual([status, stdout], [78, '']);
        assert.ok(stderr.startsWith(`error: ${path}: `) && stderr.includes(reason), stderr);
      }
    }
  });

  test('--schema prints the schema that is in config/', async () => {
    const { status, stdout } = await runCli(['check-config', '--schema']);
    assert.equal(status, 0);
    const published: unknown = JSON.parse(readProjectFile('config/hoplite.schema.json'));
    assert.deepEqual(JSON.parse(stdout), published);
  });
});

suite('hoplite show-records', () => {
  test('prints the zone of a state, and on standard error what was rejected', async () => {
    const { status, stdout, stderr } = await runCli(['show-records', '--state', STATE]);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, ZONE);
    assert.equal(
      stderr,
      'rejected: frameworks[0].tasks[2].discovery.ports.ports[1].number: ' +
        'port-out-of-range: "70000"\n',
    );
  });

  test('reads standard input, and names what it does not look up', async () => {
    const state = JSON.parse(readProjectFile(SMALL_STATE_FILE)) as { frameworks: object[] };
    const frameworks = [...state.frameworks, { name: 'spark', hostname: 'spark.example' }];
    const input = JSON.stringify({ ...state, frameworks });
    const { status, stdout, stderr } = await runCli(['show-records', '-s', '-'], { input });
    assert.equal(status, 0, stderr);
    assert.equal(stdout, ZONE);
    assert.match(stderr, /^not looked up: spark\.example$/m);
  });

  test('takes domain, TTL and masters from a configuration of either format', async (t) => {
    const mesosDns = {
      masters: ['10.0.0.10:5050', '10.0.0.11:5050'],
      domain: 'Cluster.Example',
      listener: '127.0.0.1',
    };
    const native = { cluster: { masters: mesosDns.masters }, dns: { domain: 'cluster.example' } };
    for (const [config, ttl] of [
      [mesosDns, 60],
      [native, 5],
    ] as const) {
      const args = ['show-records', '-s', STATE, '-c', fileWith(t, config)];
      const { status, stdout, stderr } = await runCli(args);
      assert.equal(status, 0, stderr);
      assert.match(stdout, new RegExp(`^\\$TTL ${ttl}\\ncluster\\.example\\. IN SOA `));
      assert.match(stdout, /^master1\.cluster\.example\. IN A 10\.0\.0\.11$/m);
    }
  });

  test('exit 1: a state that cannot be read or is none', async (t) => {
    for (const [path, reason] of [
      [join(scratchFolder(t), 'absent.json'), 'ENOENT'],
      [scratchFolder(t), 'EISDIR'],
      [fileWith(t, '<html>'), 'not JSON'],
      [fileWith(t, {}), 'the state has no'],
    ] as const) {
      const { status, stdout, stderr } = await runCli(['show-records', '-s', path]);
      assert.deepEqual([status, stdout], [1, '']);
      assert.ok(stderr.startsWith('hoplite: ') && stderr.includes(reason), stderr);
    }
  });

  const needs = missingTools('named-checkzone');
  for (const zone of ['mesos', 'l4lb.thisdcos.directory', '221.10.in-addr.arpa']) {
    test(`other servers load what it prints of ${zone}`, { skip: needs }, async (t) => {
      const shown = await runCli(['show-records', '--state', STATE, '--zone', zone]);
      assert.equal(shown.status, 0, shown.stderr);
      assert.match(shown.stdout, /\bshopweb\.marathon\.l4lb\./);
      const args = ['-i', 'full', '-k', 'ignore', zone, fileWith(t, shown.stdout)];
      const loaded = await runProgram(toolPath('named-checkzone') ?? '', args);
      assert.equal(loaded.status, 0, loaded.stdout);
      assert.equal(loaded.stdout, `zone ${zone}/IN: loaded serial 1\nOK\n`);
    });
  }
});
