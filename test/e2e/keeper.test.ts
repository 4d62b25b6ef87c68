// The real command with CAP_NET_ADMIN in a network of its own: who is left with it, and how the
// processes end. Whether the kernel there has IPVS does not matter.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { parseCapabilities } from '../../src/adapters/capabilities.ts';
import { ANY_PORT, CLI, LongProcess, scratchFolder } from '../support/cli-process.ts';
import { missingNamespaces } from '../support/namespace.ts';
import { missingTools } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';

const NET_ADMIN = 1n << 12n;
const NET_BIND_SERVICE = 1n << 10n;

const isRoot = process.getuid?.() === 0;
const WITH_KERNEL = { cluster: { masters: ['127.0.0.1:1'] }, ...ANY_PORT, kernel: {} };

interface Processes {
  readonly keeper: LongProcess;
  readonly daemon: number;
  readonly kernel: number;
}

interface Options {
  readonly config?: object;
  /** Words before the command. */
  readonly through?: readonly string[];
}

/** Starts `serve` with a network of its own, which the test's own machine does not see. */
function start(
  t: TestContext,
  options: Options = {},
): LongProcess & { configure(c: object): void } {
  const file = join(scratchFolder(t), 'config.json');
  const configure = (config: object): void => writeFileSync(file, JSON.stringify(config));
  configure(options.config ?? WITH_KERNEL);
  const unshare = ['--net', ...(isRoot ? [] : ['--map-root-user'])];
  const script = 'ip link set lo up && exec "$@"';
  const command = [process.execPath, CLI, 'serve', '--config', file];
  const words = [...unshare, 'sh', '-c', script, 'sh', ...(options.through ?? []), ...command];
  return Object.assign(new LongProcess(t, 'unshare', words), { configure });
}

/** Starts it and waits until all three run. */
async function startKept(t: TestContext, options: Options = {}): Promise<Processes> {
  const keeper = start(t, options);
  await keeper.logs('started');
  // Its first report: it has its signal handlers by then.
  await keeper.prints('a report of the kernel process', () =>
    keeper.logged.some(({ event }) => event.startsWith('kernel-')),
  );
  const kernel = await kernelProcessOf(keeper.pid);
  const daemon = childrenOf(keeper.pid).find((pid) => pid !== kernel);
  assert.ok(daemon !== undefined, 'there is a daemon');
  return { keeper, daemon, kernel };
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => new RegExp(`^PPid:\\s+${parent}$`, 'm').test(readStatus(pid)));
}

/** Empty for a process that has ended. */
function readStatus(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return /^State:\s+[ZX]/m.test(status) ? '' : status;
  } catch {
    return '';
  }
}

function kernelProcessOf(parent: number, not = 0): Promise<number> {
  return waitUntil('a kernel process', () =>
    childrenOf(parent).find((pid) => {
      return pid !== not && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('kernel-entry');
    }),
  );
}

/** The sets that hold a capability. */
function setsWith(capability: bigint, pid: number): string[] {
  return Object.entries(parseCapabilities(readStatus(pid)))
    .filter(([, set]) => (set & capability) !== 0n)
    .map(([name]) => name);
}

function gone(...pids: readonly number[]): Promise<boolean> {
  return waitUntil('the end of all processes', () => pids.every((pid) => readStatus(pid) === ''));
}

/** A program for an ordinary user with capabilities; one more is for reading our files. */
function asNobody(...capabilities: readonly string[]): string[] {
  const list = ['dac_read_search', ...capabilities].map((name) => `+${name}`).join();
  const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--no-new-privs'];
  return ['setpriv', ...user, `--inh-caps=-all,${list}`, `--ambient-caps=${list}`];
}

const skip = missingNamespaces() === false ? missingTools('setpriv', 'ip') : missingNamespaces();

suite('hoplite serve with CAP_NET_ADMIN', { skip }, () => {
  test('leaves the daemon without it, for good', async (t) => {
    const { keeper, daemon, kernel } = await startKept(t);
    assert.deepEqual(setsWith(NET_ADMIN, daemon), []);
    for (const pid of [keeper.pid, kernel]) {
      assert.deepEqual(setsWith(NET_ADMIN, pid), ['effective', 'permitted', 'bounding']);
    }
    const ports = setsWith(NET_BIND_SERVICE, daemon);
    assert.deepEqual(ports, ['effective', 'permitted', 'bounding']);
    assert.match(readStatus(daemon), /^NoNewPrivs:\s+1$/m);
    assert.deepEqual(
      keeper.logged.filter(({ event }) => event === 'capability-shared'),
      [],
    );
  });

  const needsRoot = { skip: isRoot ? false : 'needs root' };
  test('does so as an ordinary user with ambient capabilities', needsRoot, async (t) => {
    const through = asNobody('net_admin', 'net_bind_service');
    const { keeper, daemon, kernel } = await startKept(t, { through });
    // A bounding set only limits what a program's file may grant, which is nothing here.
    assert.deepEqual(setsWith(NET_ADMIN, daemon), ['bounding']);
    assert.match(readStatus(daemon), /^NoNewPrivs:\s+1$/m);
    const all = ['effective', 'permitted', 'inheritable', 'bounding', 'ambient'];
    assert.deepEqual(setsWith(NET_BIND_SERVICE, daemon), all);
    for (const pid of [keeper.pid, kernel]) assert.deepEqual(setsWith(NET_ADMIN, pid), all);
    // The daemon must not reach into those that have more rights.
    const read = (pid: number): string => {
      const [program = '', ...words] = asNobody('net_bind_service');
      const file = `/proc/${pid}/environ`;
      return execFileSync(program, [...words, 'cat', file], { stdio: 'pipe', encoding: 'utf8' });
    };
    assert.match(read(daemon), /HOPLITE_KEPT=1/);
    for (const pid of [keeper.pid, kernel]) assert.throws(() => read(pid), /Permission denied/);
  });

  test('opens no debugger at a signal in the processes that keep it', async (t) => {
    const { keeper, kernel } = await startKept(t);
    for (const pid of [keeper.pid, kernel]) process.kill(pid, 'SIGUSR1');
    keeper.signal('SIGTERM');
    assert.deepEqual(await keeper.end(), { status: 0, signal: null });
    assert.doesNotMatch(keeper.stderr, /Debugger/);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`stops in good order when ${signal} reaches every process`, async (t) => {
      const { keeper, daemon, kernel } = await startKept(t);
      for (const pid of [keeper.pid, daemon]) process.kill(pid, signal);
      if (signal === 'SIGINT') process.kill(kernel, signal);
      assert.deepEqual(await keeper.end(), { status: 0, signal: null }, keeper.stderr);
      assert.equal(keeper.logged.at(-1)?.event, 'stopped');
      assert.equal(keeper.stderr, '');
      await gone(daemon, kernel);
    });
  }

  test('stops when only the keeper hears of it', async (t) => {
    const { keeper, daemon, kernel } = await startKept(t);
    keeper.signal('SIGTERM');
    assert.deepEqual(await keeper.end(), { status: 0, signal: null });
    assert.equal((await keeper.logs('stopping'))['signal'], 'SIGTERM');
    await gone(daemon, kernel);
  });

  test('reloads at a SIGHUP to the keeper', async (t) => {
    const keeper = start(t);
    await keeper.logs('started');
    keeper.configure({ ...WITH_KERNEL, dns: { ...ANY_PORT.dns, ttlSeconds: 7 } });
    keeper.signal('SIGHUP');
    await keeper.logs('reloaded');
  });

  test('frees its ports at once when the keeper is killed', async (t) => {
    const { keeper, daemon, kernel } = await startKept(t);
    keeper.signal('SIGKILL');
    await gone(daemon, kernel);
    assert.deepEqual(await keeper.end(), { status: null, signal: 'SIGKILL' });
    assert.equal(keeper.logged.at(-1)?.event, 'keeper-gone');
  });

  test('ends with a failure when the daemon is killed', async (t) => {
    const { keeper, daemon, kernel } = await startKept(t);
    process.kill(daemon, 'SIGKILL');
    assert.deepEqual(await keeper.end(), { status: 137, signal: null });
    await gone(kernel);
  });

  test('starts a kernel process that was killed again', async (t) => {
    const { keeper, daemon, kernel } = await startKept(t);
    process.kill(kernel, 'SIGKILL');
    assert.match(String((await keeper.logs('kernel-process-ended'))['why']), /SIGKILL/);
    const next = await kernelProcessOf(keeper.pid, kernel);
    assert.ok(setsWith(NET_ADMIN, next).includes('effective'));
    assert.notEqual(readStatus(daemon), '');
  });

  test('ends as the daemon does that cannot start', async (t) => {
    const dns = { listen: ['192.0.2.1:0'] };
    const keeper = start(t, { config: { ...WITH_KERNEL, dns } });
    assert.deepEqual(await keeper.end(), { status: 1, signal: null });
    assert.match(keeper.stderr, /^hoplite: .*192\.0\.2\.1.*\n$/);
  });

  test('tells the problems of a bad configuration once', async (t) => {
    const keeper = start(t, { config: { ...WITH_KERNEL, dns: { ttlSeconds: -1 } } });
    assert.deepEqual(await keeper.end(), { status: 78, signal: null });
    assert.equal(keeper.stderr.match(/ttlSeconds/g)?.length, 1, keeper.stderr);
  });

  test('is one process where the kernel is left alone', async (t) => {
    const { kernel } = ANY_PORT;
    const daemon = start(t, { config: { ...WITH_KERNEL, kernel } });
    await daemon.logs('started');
    assert.deepEqual(childrenOf(daemon.pid), []);
    assert.ok(daemon.logged.every(({ event }) => event !== 'capability-shared'));
    daemon.signal('SIGTERM');
    assert.deepEqual(await daemon.end(), { status: 0, signal: null });
  });

  for (const { lack, through, why } of [
    { lack: 'setpriv', through: ['env', 'PATH=/nowhere'], why: /util-linux/ },
    { lack: 'CAP_SETPCAP', through: ['setpriv', '--bounding-set=-setpcap'], why: /CAP_SETPCAP/ },
  ]) {
    test(`shares it with the daemon, and says so, without ${lack}`, async (t) => {
      const daemon = start(t, { through });
      assert.match(String((await daemon.logs('capability-shared'))['why']), why);
      await daemon.logs('started');
      assert.deepEqual(childrenOf(daemon.pid), [await kernelProcessOf(daemon.pid)]);
      daemon.signal('SIGTERM');
      assert.deepEqual(await daemon.end(), { status: 0, signal: null });
    });
  }
});
