import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { NATIVE_KEYS } from '../../src/core/config/native-keys.ts';
import { UDP_NICE } from '../../src/daemon/dns/udp-worker-protocol.ts';
import { projectPath, readProjectFile } from '../support/project.ts';

/** `Key=value` lines of a unit file in order, comments and section names left out. */
function directives(unit: string): (readonly [key: string, value: string])[] {
  return unit
    .split('\n')
    .map((line) => /^(\w+)=(.*)$/.exec(line))
    .flatMap((match) => (match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const]));
}

const unit = directives(readProjectFile('deploy/hoplite.service'));
const valuesOf = (key: string): string[] =>
  unit.flatMap(([k, value]) => (k === key ? [value] : []));

const UNIT_WANTED: Readonly<Record<string, readonly string[]>> = {
  User: ['hoplite'],
  ExecStartPre: ['/usr/bin/hoplite check-config /etc/hoplite/config.json'],
  ExecStart: ['/usr/bin/hoplite serve --config /etc/hoplite/config.json'],
  ExecReload: ['/usr/bin/hoplite check-config /etc/hoplite/config.json', '/bin/kill -HUP $MAINPID'],
  Restart: ['always'],
  StartLimitIntervalSec: ['0'],
  LimitNOFILE: ['65536'],
  LimitNICE: [String(UDP_NICE)],
  CapabilityBoundingSet: ['CAP_NET_BIND_SERVICE CAP_NET_ADMIN'],
  AmbientCapabilities: ['CAP_NET_BIND_SERVICE CAP_NET_ADMIN'],
  NoNewPrivileges: ['yes'],
  StateDirectory: ['hoplite'],
  StateDirectoryMode: ['0700'],
  ProtectSystem: ['strict'],
  ReadWritePaths: ['-/proc/sys/net/ipv4/vs'],
  After: ['network-online.target systemd-modules-load.service'],
  RestrictAddressFamilies: ['AF_INET AF_INET6 AF_UNIX AF_NETLINK'],
  Before: ['nss-lookup.target'],
};

for (const [key, wanted] of Object.entries(UNIT_WANTED)) {
  test(`hoplite.service sets ${key} to ${wanted.join(', then ')}`, () => {
    assert.deepEqual(valuesOf(key), wanted);
  });
}

test('hoplite.service stops after a time that systemd bounds', () => {
  const [seconds] = valuesOf('TimeoutStopSec');
  assert.match(seconds ?? '', /^\d+$/);
});

test('hoplite.service sets nothing that Node or port 53 cannot live with', () => {
  const forbidden = ['MemoryDenyWriteExecute', 'ProcSubset', 'PrivateUsers', 'PrivateNetwork'];
  assert.deepEqual(
    unit.map(([key]) => key).filter((key) => forbidden.includes(key)),
    [],
  );
});

test('modules-load.conf names IPVS first, then the schedulers that hoplite always needs', () => {
  const modules = readProjectFile('deploy/modules-load.conf')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const { default: scheduler } = NATIVE_KEYS['vip.scheduler'];
  assert.deepEqual(modules, ['ip_vs', `ip_vs_${scheduler}`, 'ip_vs_rr']);
});

/** Instructions of a Dockerfile, continuation lines joined. */
function instructions(text: string): (readonly [name: string, rest: string])[] {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => /^([A-Z]+) (.*)$/.exec(line))
    .flatMap((match) => (match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const]));
}

const image = instructions(readProjectFile('deploy/Dockerfile'));
const lastStage = image.slice(image.map(([name]) => name).lastIndexOf('FROM'));
const inLastStage = (name: string): string[] =>
  lastStage.flatMap(([key, rest]) => (key === name ? [rest] : []));

/** What COPY takes from the project rather than from an earlier stage. */
const copied = image
  .filter(([name, rest]) => name === 'COPY' && !rest.startsWith('--from='))
  .flatMap(([, rest]) => rest.split(' ').slice(0, -1));

test('everything that the Dockerfile copies exists and is in its build context', () => {
  assert.ok(copied.includes('src'));
  const context = readProjectFile('deploy/Dockerfile.dockerignore').split('\n');
  for (const path of copied) {
    assert.ok(existsSync(projectPath(path)), `${path} exists`);
    assert.ok(context.includes(`!${path}`), `${path} is in the context`);
  }
});

test('the image is built in one stage and run in another, as an ordinary user', () => {
  const bases = image.filter(([name]) => name === 'FROM').map(([, rest]) => rest);
  assert.deepEqual(bases, ['node:22-bookworm-slim AS build', 'node:22-bookworm-slim']);
  assert.deepEqual(inLastStage('USER'), ['node']);
  const [firstRunAsUser] = lastStage.slice(lastStage.findIndex(([name]) => name === 'USER') + 1);
  assert.notEqual(firstRunAsUser?.[0], 'RUN', 'nothing is installed as that user');
});

test('the image names its ports, its health and its command', () => {
  assert.deepEqual(inLastStage('EXPOSE'), ['53/udp 53/tcp 8123/tcp']);
  assert.match(inLastStage('HEALTHCHECK').join('\n'), /127\.0\.0\.1:8123\/readyz/);
  assert.deepEqual(inLastStage('CMD'), ['["serve", "--config", "/etc/hoplite/config.json"]']);
  const entry = JSON.parse(inLastStage('ENTRYPOINT')[0] ?? '[]') as string[];
  assert.deepEqual(entry, ['node', '/opt/hoplite/dist/src/cli/main.js']);
});

interface MarathonApp {
  readonly networks: readonly { readonly mode: string }[];
  readonly constraints: readonly (readonly string[])[];
  readonly container: { readonly docker: { readonly image: string } };
  readonly args: readonly string[];
  readonly healthChecks: readonly {
    readonly protocol: string;
    readonly path: string;
    readonly port: number;
  }[];
  readonly taskKillGracePeriodSeconds: number;
  readonly upgradeStrategy: {
    readonly minimumHealthCapacity: number;
    readonly maximumOverCapacity: number;
  };
}

const app = JSON.parse(readProjectFile('deploy/marathon.json')) as MarathonApp;

test('the Marathon app runs once per agent on its network', () => {
  assert.deepEqual(app.networks, [{ mode: 'host' }]);
  assert.deepEqual(app.constraints, [['hostname', 'UNIQUE']]);
  assert.deepEqual(app.args, ['serve', '--config', '/etc/hoplite/config.json']);
});

test('the Marathon app is killed for being dead, not for a lost master', () => {
  const checks = app.healthChecks.map(({ protocol, path, port }) => ({ protocol, path, port }));
  assert.deepEqual(checks, [{ protocol: 'MESOS_HTTP', path: '/healthz', port: 8123 }]);
});

test('Marathon and systemd give the daemon the same time to stop', () => {
  assert.deepEqual([String(app.taskKillGracePeriodSeconds)], valuesOf('TimeoutStopSec'));
});

test('an upgrade on Marathon can proceed although no agent has room for a second instance', () => {
  assert.equal(app.upgradeStrategy.maximumOverCapacity, 0);
  assert.ok(app.upgradeStrategy.minimumHealthCapacity < 1);
});

test('the Marathon app names the image of this version', () => {
  const { version } = JSON.parse(readProjectFile('package.json')) as { readonly version: string };
  assert.match(app.container.docker.image, new RegExp(`:${version.replaceAll('.', '\\.')}$`));
});

test('resolv.conf asks this node first, another server next, and does not wait long', () => {
  const lines = readProjectFile('deploy/resolv.conf')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(lines, [
    'nameserver 127.0.0.1',
    'nameserver 192.0.2.53',
    'options timeout:1 attempts:3',
  ]);
});
