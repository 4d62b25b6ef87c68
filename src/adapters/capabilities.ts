import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { err, ok, type Result } from '../core/base/result.ts';

/** Sets of capabilities(7) as bits, from /proc/PID/status. */
export interface Capabilities {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly bounding: bigint;
  readonly ambient: bigint;
}

// linux/capability.h
const NET_BIND_SERVICE = 1n << 10n;
const NET_ADMIN = 1n << 12n;

/** It only sets bits and starts a program. */
const PROBE_TIMEOUT_MS = 5_000;

/** Sets that are missing in `status`, the text of the file, are empty. */
export function parseCapabilities(status: string): Capabilities {
  const read = (name: string): bigint => {
    const [, digits = '0'] = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status) ?? [];
    return BigInt(`0x${digits}`);
  };
  return {
    effective: read('CapEff'),
    permitted: read('CapPrm'),
    inheritable: read('CapInh'),
    bounding: read('CapBnd'),
    ambient: read('CapAmb'),
  };
}

/** Whether this process may change the kernel's network. */
export function hasNetAdmin(): boolean {
  return (ownCapabilities().effective & NET_ADMIN) !== 0n;
}

/**
 * Words to put before a command that is to run without CAP_NET_ADMIN, for good, and with
 * CAP_NET_BIND_SERVICE if this process has it. The error says why that is not possible, and what
 * would help. Tried out before it is returned.
 */
export function commandWithoutNetAdmin(
  setpriv = 'setpriv',
): Result<readonly [string, ...string[]], string> {
  const own = ownCapabilities();
  const isRoot = process.geteuid?.() === 0;
  // What is not ambient comes with the file of our program, and so would return with it, or go.
  if (!isRoot && (own.effective & (NET_ADMIN | NET_BIND_SERVICE) & ~own.ambient) !== 0n) {
    return err('the program file grants it: grant ambient capabilities instead');
  }
  // Ambient ones go with the inheritable ones. Root gets all that are in the bounding set.
  const bounding = isRoot ? ['--bounding-set=-net_admin'] : [];
  const options = ['--no-new-privs', '--inh-caps=-net_admin', ...bounding, '--'];
  const { stdout, stderr, error, status } = spawnSync(
    setpriv,
    [...options, 'cat', '/proc/self/status'],
    { encoding: 'utf8', timeout: PROBE_TIMEOUT_MS },
  );
  if (error !== undefined) {
    const isMissing = 'code' in error && error.code === 'ENOENT';
    return err(isMissing ? 'there is no setpriv: install util-linux' : error.message);
  }
  if (status !== 0) return err(`setpriv of util-linux is needed: ${stderr.trim()}`);
  const left = parseCapabilities(stdout);
  const rest = left.permitted | left.effective | left.inheritable | (isRoot ? left.bounding : 0n);
  if ((rest & NET_ADMIN) !== 0n) {
    return err('root needs CAP_SETPCAP to give it up: grant that, or run as an ordinary user');
  }
  if ((own.effective & ~left.effective & NET_BIND_SERVICE) !== 0n) {
    return err('CAP_NET_BIND_SERVICE would go with it: grant it in the same way');
  }
  return ok([setpriv, ...options]);
}

function ownCapabilities(): Capabilities {
  let status = '';
  try {
    status = readFileSync('/proc/self/status', 'utf8');
  } catch {
    // Only Linux has it.
  }
  return parseCapabilities(status);
}
