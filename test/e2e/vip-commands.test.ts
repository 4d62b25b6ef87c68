import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { runCli, scratchFolder } from '../support/cli-process.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { agentId, discovery, type Json, marathonState, task } from '../support/state-builder.ts';

function fileWith(t: Cleanup, content: unknown): string {
  const file = join(scratchFolder(t), 'file.json');
  writeFileSync(file, JSON.stringify(content));
  return file;
}

/** A port with labels. */
function labelled(
  number: number,
  protocol: string,
  labels: Readonly<Record<string, string>>,
): Json {
  const list = Object.entries(labels).map(([key, value]) => ({ key, value }));
  return { number, protocol, name: 'p', labels: { labels: list } };
}

const TASKS = [
  task('web', {
    id: 'web.1',
    discovery: discovery(
      'web',
      labelled(31_000, 'tcp', { VIP_0: '/Web:80', VIP_1: '10.208.0.9:8080' }),
    ),
  }),
  task('web', {
    id: 'web.2',
    discovery: discovery('web', labelled(31_001, 'tcp', { VIP_0: 'web:80', HOPLITE_WEIGHT: '3' })),
  }),
  task('bad', { discovery: discovery('bad', labelled(31_002, 'tcp', { VIP_0: 'bad:99999' })) }),
];

const STATE = marathonState(...TASKS);

/** The same cluster as the operator API tells it. */
const GET_STATE = {
  type: 'GET_STATE',
  get_state: {
    get_agents: {
      agents: [0, 1].map((number) => ({
        agent_info: {
          id: { value: agentId(number) },
          hostname: `10.0.0.${number + 1}`,
          port: 5051,
        },
        pid: `slave(1)@10.0.0.${number + 1}:5051`,
        active: true,
      })),
    },
    get_frameworks: {
      frameworks: [
        { framework_info: { id: { value: 'F-marathon' }, name: 'marathon' }, active: true },
      ],
    },
    get_tasks: {
      tasks: TASKS.map(({ id, slave_id, ...rest }) => ({
        ...rest,
        task_id: { value: id },
        agent_id: { value: slave_id },
        framework_id: { value: 'F-marathon' },
      })),
    },
  },
};

const REJECTED =
  /^rejected: frameworks\[0\]\.tasks\[2\]\.\S+: vip-port-out-of-range: "bad:99999"$/m;

interface Listed {
  readonly name: string | null;
  readonly fqdn: string | null;
  readonly address: string;
  readonly protocol: string;
  readonly port: number;
  readonly scheduler: string;
  readonly backends: readonly Json[];
}

async function list(...args: readonly string[]): Promise<readonly Listed[]> {
  const { status, stdout, stderr } = await runCli(['show-vips', '--json', ...args]);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as readonly Listed[];
}

suite('hoplite show-vips', () => {
  test('--json lists each VIP with its backends, sorted by name', async (t) => {
    const [declared, web, ...more] = await list('--state', fileWith(t, STATE));
    assert.deepEqual(more, []);
    const backend = (number: number, weight = 1): Json => {
      const taskId = `web.${number - 30_999}`;
      return { address: '10.0.0.1', port: number, weight, taskId, agent: agentId(0) };
    };
    const settings = { protocol: 'tcp', scheduler: 'wlc' };
    assert.deepEqual(declared, {
      name: null,
      fqdn: null,
      address: '10.208.0.9',
      port: 8080,
      ...settings,
      backends: [backend(31_000)],
    });
    assert.match(web?.address ?? '', /^10\.(20[89]|21\d|22[0-3])\./);
    assert.deepEqual(web, {
      name: 'web',
      fqdn: 'web.marathon.l4lb.mesos',
      address: web?.address,
      port: 80,
      ...settings,
      backends: [backend(31_000), backend(31_001, 3)],
    });
  });

  test('prints a table for people, and on standard error what was rejected', async (t) => {
    const { status, stdout, stderr } = await runCli(['show-vips', '-s', fileWith(t, STATE)]);
    assert.equal(status, 0, stderr);
    const lines = stdout.split('\n').map((line) => line.trim().replace(/ {2,}/g, ' '));
    assert.equal(lines[0], 'NAME ADDRESS PORT SCHEDULER BACKENDS');
    assert.equal(lines[1], '- 10.208.0.9 8080/tcp wlc 10.0.0.1:31000 weight 1');
    assert.match(
      lines[2] ?? '',
      /^web\.marathon\.l4lb\.mesos 10\.\S+ 80\/tcp wlc 10\.0\.0\.1:31000 weight 1$/,
    );
    assert.deepEqual(lines.slice(3), ['10.0.0.1:31001 weight 3', '']);
    assert.match(stderr, REJECTED);
  });

  test('the operator API tells the same as /state, to show-records too', async (t) => {
    const [state, getState] = [fileWith(t, STATE), fileWith(t, GET_STATE)];
    assert.deepEqual(await list('-s', getState), await list('-s', state));
    const config = fileWith(t, { cluster: { masters: ['10.0.0.100:5050'] } });
    const zones = await Promise.all(
      [state, getState].map((file) => runCli(['show-records', '-s', file, '-c', config])),
    );
    const webRecords = zones.map(({ stdout }) =>
      stdout.split('\n').filter((line) => line.startsWith('web.marathon.l4lb.mesos. ')),
    );
    assert.equal(webRecords[0]?.length, 1);
    assert.deepEqual(webRecords[1], webRecords[0]);
  });

  test('show-records prints another zone, and names those there are', async (t) => {
    const state = fileWith(t, STATE);
    const zone = 'L4LB.thisdcos.directory.';
    const alias = await runCli(['show-records', '-s', state, '--zone', zone]);
    assert.equal(alias.status, 0, alias.stderr);
    const [ttl, soa] = alias.stdout.split('\n');
    assert.equal(ttl, '$TTL 5');
    assert.match(soa ?? '', /^l4lb\.thisdcos\.directory\. IN SOA /);
    const absent = await runCli(['show-records', '-s', state, '-z', 'example.com']);
    assert.deepEqual([absent.status, absent.stdout], [1, '']);
    assert.match(absent.stderr, /no zone example\.com; the zones are mesos\. l4lb\./);
  });

  test('takes domain and pool from a configuration', async (t) => {
    const config = {
      cluster: { masters: ['10.0.0.100'] },
      dns: { domain: 'cluster.example' },
      vip: { pool: ['192.168.64.0/24'] },
    };
    const args = ['show-vips', '--json', '-s', fileWith(t, STATE), '-c', fileWith(t, config)];
    const { status, stdout, stderr } = await runCli(args);
    assert.equal(status, 0, stderr);
    const [web, ...more] = JSON.parse(stdout) as readonly Listed[];
    assert.equal(web?.fqdn, 'web.marathon.l4lb.cluster.example');
    assert.match(web.address, /^192\.168\.64\.\d+$/);
    // The declared address lies outside the pool now.
    assert.deepEqual(more, []);
    assert.match(stderr, /^rejected: .*"10\.208\.0\.9:8080"$/m);
  });

  test('says when there are none, and why', async (t) => {
    const off = { cluster: { masters: ['10.0.0.100'] }, vip: { enabled: false } };
    for (const [state, config, why] of [
      [marathonState(), [], 'no running task declares one'],
      [STATE, ['-c', fileWith(t, off)], 'vip.enabled is false in the configuration'],
    ] as const) {
      const args = ['show-vips', '-s', fileWith(t, state), ...config];
      const { status, stdout, stderr } = await runCli(args);
      assert.deepEqual([status, stdout, stderr], [0, '', `no VIPs: ${why}\n`]);
      assert.deepEqual(await list(...args.slice(1)), []);
    }
  });

  test('exit 1: a state that cannot be read or is none', async (t) => {
    for (const [path, reason] of [
      [join(scratchFolder(t), 'absent.json'), 'ENOENT'],
      [fileWith(t, {}), 'the state has no'],
    ] as const) {
      for (const command of ['show-vips', 'show-plan']) {
        const { status, stdout, stderr } = await runCli([command, '-s', path]);
        assert.deepEqual([status, stdout], [1, '']);
        assert.ok(stderr.startsWith('hoplite: ') && stderr.includes(reason), stderr);
      }
    }
  });
});

const hasIpvs = existsSync('/proc/net/ip_vs') && 'the kernel of this machine has IPVS';

suite('on a kernel without IPVS', { skip: hasIpvs }, () => {
  test('exit 1: show-plan says what is missing', async (t) => {
    const { status, stdout, stderr } = await runCli(['show-plan', '-s', fileWith(t, STATE)]);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^hoplite: the kernel has no IPVS; .*modprobe ip_vs/m);
  });

  test('cleanup finds nothing, and that is no failure', async (t) => {
    const kernel = { interface: 'hoplite-none' };
    const config = fileWith(t, { cluster: { masters: ['10.0.0.100'] }, kernel });
    const { status, stdout, stderr } = await runCli(['cleanup', '--dry-run', '-c', config]);
    assert.deepEqual([status, stdout], [0, '']);
    assert.equal(stderr, 'nothing of hoplite is in the kernel of this node\n');
  });
});
