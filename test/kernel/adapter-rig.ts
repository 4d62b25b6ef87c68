import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { openKernel } from '../../src/adapters/kernel/kernel.ts';
import type { Destination, ServiceId, ServiceSettings } from '../../src/core/ipvs/table.ts';
import type { Kernel } from '../../src/core/ports.ts';

/** Interface of these tests. */
export const INTERFACE = 'hoplite-t0';
/** Addresses of this node. */
export const NODE = { ipv4: '10.9.0.1', ipv6: 'fd00:9::1' } as const;

/** Runs a program to its end and gives what it printed, without the spaces at the ends of lines. */
export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }).replace(/ +$/gm, '');
}

/** Value of a sysctl, such as `net.ipv4.ip_forward`. */
export function readSysctl(name: string): string {
  return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
}

export function writeSysctl(name: string, value: string): void {
  writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, value);
}

/** The adapter for the tests of a file, and a node with addresses. */
export function useKernel(): Kernel {
  const kernel = openKernel({ interface: INTERFACE });
  before(async () => {
    for (const address of [`${NODE.ipv4}/32`, `${NODE.ipv6}/128`]) {
      run('ip', 'addr', 'replace', address, 'dev', 'lo');
    }
    await kernel.prepare();
  });
  after(async () => {
    run('ipvsadm', '-C');
    await kernel.removeInterface();
    kernel.close();
  });
  return kernel;
}

/** A service of 10.208.0.0/16 with a port, as usual but for what is given. */
export function service(
  address: string,
  settings: Partial<ServiceId & ServiceSettings> = {},
): ServiceId & ServiceSettings {
  return {
    protocol: 'tcp',
    address,
    port: 80,
    scheduler: 'wlc',
    schedulerFlags: 0,
    persistenceSeconds: 0,
    ...settings,
  };
}

/** A backend, as usual but for what is given. */
export function backend(address: string, settings: Partial<Destination> = {}): Destination {
  return {
    address,
    port: 31000,
    forwarding: 'masq',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    ...settings,
  };
}

/** Lines of `ipvsadm -Sn` (with options) that are about an address. */
export function ipvsadmLines(address: string): string[] {
  return run('ipvsadm', '-Sn')
    .split('\n')
    .filter((line) => line.includes(` ${address}:`) || line.includes(` [${address}]:`));
}
