import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openKernel } from '../adapters/kernel/kernel.ts';
import { DaemonError } from '../core/base/daemon-error.ts';
import type { Prefix } from '../core/base/prefix.ts';
import { changeLine } from '../core/ipvs/ipvsadm-text.ts';
import { isOwned, type KernelChange, type ObservedKernel } from '../core/ipvs/plan.ts';
import type { Kernel } from '../core/ports.ts';
import { vipPrefixes } from '../core/vip/pool.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { configOrDefaults } from './saved-state.ts';

/** `hoplite cleanup`: takes what is ours, and nothing else, out of the kernel of this node. */
export async function cleanup(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: 'string', short: 'c' }, 'dry-run': { type: 'boolean' } },
  });
  const read = await configOrDefaults(values.config);
  if (!read.ok) return read.error;
  const { kernel: settings, vip } = read.value;
  const ours: Ours = {
    prefixes: vipPrefixes(vip),
    interface: settings.interface,
    hasInterface: hasInterface(settings.interface),
  };
  const kernel = openKernel({ interface: settings.interface });
  try {
    const isDry = values['dry-run'] === true;
    const { done, failed } = await (isDry ? listOurs(kernel, ours) : removeOurs(kernel, ours));
    process.stdout.write(done.map((line) => `${isDry ? 'would ' : ''}${line}\n`).join(''));
    process.stderr.write(failed.map((line) => `hoplite: ${line}\n`).join(''));
    if (done.length + failed.length === 0) {
      process.stderr.write('nothing of hoplite is in the kernel of this node\n');
    }
    return failed.length === 0 ? EXIT.OK : EXIT.FAILED;
  } finally {
    kernel.close();
  }
}

/** What hoplite calls its own on a node. */
export interface Ours {
  /** All services and routes in them are ours. */
  readonly prefixes: readonly Prefix[];
  readonly interface: string;
  readonly hasInterface: boolean;
}

/** One line for each thing that was removed, or could not be. */
export interface Cleaned {
  readonly done: readonly string[];
  readonly failed: readonly string[];
}

/** What `removeOurs` would remove, but for SNAT rules, which nobody asked for. */
export async function listOurs(kernel: Pick<Kernel, 'observe'>, ours: Ours): Promise<Cleaned> {
  const changes = cleanupChanges(await observe(kernel), ours.prefixes);
  const link = ours.hasInterface ? [interfaceLine(ours)] : [];
  return { done: [...changes.map(changeLine), ...link], failed: [] };
}

/**
 * Removes what is ours; what fails does not keep the rest from being removed. Rejects if the kernel
 * does not even say what there is.
 */
export async function removeOurs(
  kernel: Pick<Kernel, 'observe' | 'apply' | 'setSnat' | 'removeInterface'>,
  ours: Ours,
): Promise<Cleaned> {
  const done: string[] = [];
  // Whoever may not do one thing may not do the others, and has to be told once.
  const failed = new Set<string>();
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      failed.add(error.message);
    }
  };
  const changes = cleanupChanges(await observe(kernel), ours.prefixes);
  await attempt(async () => {
    if (changes.length === 0) return;
    const failures = await kernel.apply(changes);
    const refused = new Set(failures.map(({ change }) => change));
    done.push(...changes.filter((change) => !refused.has(change)).map(changeLine));
    for (const { change, errno, message } of failures) {
      failed.add(`cannot ${changeLine(change)}: ${message} (${errno})`);
    }
  });
  await attempt(() => kernel.setSnat(null));
  await attempt(async () => {
    if (!ours.hasInterface) return;
    await kernel.removeInterface();
    done.push(interfaceLine(ours));
  });
  return { done, failed: [...failed] };
}

/**
 * Routes first, since without services behind them packets to a VIP would reach daemons of the
 * host; then services, whose destinations go with them. What lies outside `prefixes` is others'.
 */
export function cleanupChanges(
  { services, routes }: ObservedKernel,
  prefixes: readonly Prefix[],
): KernelChange[] {
  const ourRoutes = [...routes.keys()].filter((address) => isOwned(prefixes, address));
  const ourServices = [...services.values()].filter(({ address }) => isOwned(prefixes, address));
  return [
    ...ourRoutes.map((address): KernelChange => ({ kind: 'delete-route', address })),
    ...ourServices.map(({ protocol, address, port }): KernelChange => {
      return { kind: 'delete-service', service: { protocol, address, port } };
    }),
  ];
}

/** A kernel without IPVS holds no services; routes go with the interface. */
async function observe(kernel: Pick<Kernel, 'observe'>): Promise<ObservedKernel> {
  try {
    return await kernel.observe();
  } catch (error) {
    const isAbsent = error instanceof DaemonError && error.code === 'kernel-module';
    if (!isAbsent) throw error;
    return { services: new Map(), routes: new Map() };
  }
}

function interfaceLine(ours: Ours): string {
  return `delete-interface ${ours.interface}`;
}

/** Whether the network namespace of this process has an interface of that name. */
function hasInterface(name: string): boolean {
  const lines = readFileSync('/proc/net/dev', 'utf8').split('\n');
  return lines.some((line) => line.trimStart().startsWith(`${name}:`));
}
