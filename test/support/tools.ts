import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

/**
 * Programs that e2e tests run, with the Debian package that holds each. The one list: the test
 * runner installs from it, and a test can ask only for what is in it.
 */
export const TOOLS = {
  curl: 'curl',
  delv: 'bind9-dnsutils',
  dig: 'bind9-dnsutils',
  dnsperf: 'dnsperf',
  /** musl-gcc is a wrapper around it. */
  gcc: 'gcc',
  ip: 'iproute2',
  iptables: 'iptables',
  ipvsadm: 'ipvsadm',
  kdig: 'knot-dnsutils',
  kresd: 'knot-resolver',
  /** A Linux kernel as a program; it has ip_vs where the machine's own need not. */
  'linux.uml': 'user-mode-linux',
  modprobe: 'kmod',
  'musl-gcc': 'musl-tools',
  'named-checkzone': 'bind9-utils',
  nsenter: 'util-linux',
  openssl: 'openssl',
  setpriv: 'util-linux',
  'systemd-analyze': 'systemd',
  unbound: 'unbound',
  unshare: 'util-linux',
  /** Stands for the package; the e2e test starts the server's class itself. */
  'zkServer.sh': 'zookeeper',
} as const;

export type ToolName = keyof typeof TOOLS;

/** Daemons live in sbin, which is not on every user's PATH, and ZooKeeper's script in neither. */
const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/share/zookeeper/bin'];

/** Absolute path of a program, or null if this machine does not have it. */
export function toolPath(name: ToolName): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...SBIN];
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return null;
}

function packagesOf(names: readonly ToolName[]): string[] {
  return [...new Set(names.map((name) => TOOLS[name]))].sort();
}

/** Debian packages of all programs of the list that this machine does not have. */
export function missingPackages(): string[] {
  const names = Object.keys(TOOLS) as ToolName[];
  return packagesOf(names.filter((name) => toolPath(name) === null));
}

/**
 * For `test(name, { skip: missingTools('dig') }, ...)`: false if all are there, else what is
 * missing and the one command that brings it.
 */
export function missingTools(...names: readonly ToolName[]): string | false {
  const missing = names.filter((name) => toolPath(name) === null);
  if (missing.length === 0) return false;
  const install = `apt-get install -y --no-install-recommends ${packagesOf(missing).join(' ')}`;
  return `needs ${missing.join(', ')}; enable with: ${install}`;
}

/**
 * Inside a test: true if all programs are there. Else marks the test as skipped and returns
 * false, and the test has to return: `if (!requireTool(t, 'dig')) return;`
 */
export function requireTool(t: Pick<TestContext, 'skip'>, ...names: readonly ToolName[]): boolean {
  const reason = missingTools(...names);
  if (reason === false) return true;
  t.skip(reason);
  return false;
}

/** Marks a test as skipped for a lack that is not a program, with the command that mends it. */
export function skipLacking(t: Pick<TestContext, 'skip'>, lack: string, command: string): void {
  t.skip(`needs ${lack}; enable with: ${command}`);
}
