import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { CLI, type Finished, LongProcess, runProgram, scratchFolder } from './cli-process.ts';
import { missingTools, toolPath } from './tools.ts';

/**
 * A network, mount and process namespace: port 53 of 127.0.0.1 is free there, /etc/resolv.conf is
 * ours, nothing leaves the machine, and with the namespace all of its processes end.
 */
export interface Namespace {
  /** Runs a program there to its end. */
  run(program: string, ...args: readonly string[]): Promise<Finished>;
  /** Starts a program of Node there; it ends with the namespace at the latest. */
  startNode(...args: readonly string[]): LongProcess;
  startCli(...args: readonly string[]): LongProcess;
  /** What /etc/resolv.conf says from now on. */
  setResolvConf(text: string): void;
}

const UNSHARE = ['--mount', '--net', '--pid', '--fork', '--kill-child'];
/** An ordinary user becomes root in a user namespace, where the system lets him. */
const isRoot = process.getuid?.() === 0;
const AS_ROOT = isRoot ? [] : ['--map-root-user'];

/** For `skip`: false where namespaces can be made, else what is in the way. */
export function missingNamespaces(): string | false {
  const missing = missingTools('unshare', 'ip');
  if (missing !== false) return missing;
  const script = `${tool('ip')} link set lo up && mount --bind /etc/hosts /etc/resolv.conf`;
  const { status } = spawnSync(tool('unshare'), [...UNSHARE, ...AS_ROOT, 'sh', '-c', script]);
  if (status === 0) return false;
  return 'needs namespaces; enable with: run the tests as root (in a container: --privileged)';
}

/** Opens a namespace that ends with the test. */
export async function openNamespace(t: Cleanup): Promise<Namespace> {
  const folder = scratchFolder(t);
  const resolvConf = join(folder, 'resolv.conf');
  const nsswitch = join(folder, 'nsswitch.conf');
  writeFileSync(resolvConf, '');
  // Some systems' own asks a daemon outside, over a socket that no namespace hides.
  writeFileSync(nsswitch, 'passwd: files\ngroup: files\nhosts: files dns\n');
  const script = [
    'set -e',
    `${tool('ip')} link set lo up`,
    `mount --bind ${resolvConf} /etc/resolv.conf`,
    `if [ -e /etc/nsswitch.conf ]; then mount --bind ${nsswitch} /etc/nsswitch.conf; fi`,
    'echo ready',
    // It is process 1 there, and ends with our end of its input.
    'exec cat',
  ].join('\n');
  const args = [...UNSHARE, ...AS_ROOT, 'sh', '-c', script];
  const holder = new LongProcess(t, tool('unshare'), args);
  await holder.prints('ready', () => holder.stdout.includes('ready\n'));
  const enter = [
    ...['--target', String(holder.pid), '--mount', '--net'],
    ...(isRoot ? [] : ['--user', '--preserve-credentials']),
    // unshare itself stays outside of the namespace of its children.
    `--pid=/proc/${holder.pid}/ns/pid_for_children`,
    '--',
  ];
  const startNode = (...program: readonly string[]): LongProcess =>
    new LongProcess(t, 'nsenter', [...enter, process.execPath, ...program]);
  return {
    run: (...program) => runProgram('nsenter', [...enter, ...program]),
    startNode,
    startCli: (...command) => startNode(CLI, ...command),
    setResolvConf: (text) => writeFileSync(resolvConf, text),
  };
}

function tool(name: 'ip' | 'unshare'): string {
  return toolPath(name) ?? name;
}
