import { readFile, writeFile } from 'node:fs/promises';
import type { SysctlStatus } from '../../core/ports.ts';

interface Sysctl {
  readonly name: string;
  /** null: any. */
  readonly wanted: string | null;
  /** Whether setting it concerns nothing but IPVS. */
  readonly maySet: boolean;
}

/** What IPVS needs of the kernel (Documentation/networking/ipvs-sysctl.rst). */
const SYSCTLS: readonly Sysctl[] = [
  // A removed backend: TCP is reset rather than left hanging, UDP goes to another one at once.
  { name: 'net.ipv4.vs.expire_nodest_conn', wanted: '1', maySet: true },
  // Persistent clients leave a backend that drains.
  { name: 'net.ipv4.vs.expire_quiescent_template', wanted: '1', maySet: true },
  // Firewalls that look at states and SNAT see the connections.
  { name: 'net.ipv4.vs.conntrack', wanted: '1', maySet: true },
  // Reused client ports do not stick to a draining backend; the default.
  { name: 'net.ipv4.vs.conn_reuse_mode', wanted: '1', maySet: false },
  // Without it all counters stay 0; a choice of who has very large tables.
  { name: 'net.ipv4.vs.run_estimation', wanted: '1', maySet: false },
];

/** Clients in containers pass through the node, clients of the node itself do not. */
const FORWARDING = 'net.ipv4.ip_forward';

/** What `sysctls` is told. */
export interface SysctlOptions {
  readonly mode: 'set' | 'report';
  /** Whether clients in containers are served. */
  readonly forwards: boolean;
}

/** Sets or only reads the sysctls. Never rejects: what cannot be set is reported as it is. */
export async function applySysctls(options: SysctlOptions): Promise<readonly SysctlStatus[]> {
  const forwarding = { name: FORWARDING, wanted: options.forwards ? '1' : null, maySet: false };
  return Promise.all(
    [...SYSCTLS, forwarding].map(async ({ name, wanted, maySet }) => {
      let value = await readSysctl(name);
      if (options.mode === 'set' && maySet && value !== null && value !== wanted) {
        await writeSysctl(name, wanted ?? value);
        value = await readSysctl(name);
      }
      return { name, value, wanted: wanted ?? 'any', ok: wanted === null || value === wanted };
    }),
  );
}

async function readSysctl(name: string): Promise<string | null> {
  try {
    return (await readFile(pathOf(name), 'ascii')).trim();
  } catch {
    return null;
  }
}

async function writeSysctl(name: string, value: string): Promise<void> {
  try {
    await writeFile(pathOf(name), value);
  } catch {
    // The value that is read next tells.
  }
}

function pathOf(name: string): string {
  return `/proc/sys/${name.replaceAll('.', '/')}`;
}
