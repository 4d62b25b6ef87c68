import { parseArgs } from 'node:util';
import { openKernel } from '../adapters/kernel/kernel.ts';
import { nodeAddresses } from '../adapters/node-addresses.ts';
import { changeLine, ipvsadmText } from '../core/ipvs/ipvsadm-text.ts';
import { type DesiredKernel, type KernelChange, planIpvs } from '../core/ipvs/plan.ts';
import type { Kernel } from '../core/ports.ts';
import { vipPrefixes } from '../core/vip/pool.ts';
import { desiredServices } from '../core/views/ipvs-view.ts';
import { lookUpSource } from '../daemon/kernel/kernel-source.ts';
import { EXIT, type ExitCode, UsageError } from './exit-code.ts';
import { printLosses, readSavedState, type SavedState } from './saved-state.ts';

/** `hoplite show-plan`: what the daemon would change in the kernel of this node for a saved state. */
export async function showPlan(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      state: { type: 'string', short: 's' },
      config: { type: 'string', short: 'c' },
      ipvsadm: { type: 'boolean' },
    },
  });
  if (values.state === undefined) throw new UsageError('show-plan needs --state FILE');
  const saved = await readSavedState({ state: values.state, config: values.config });
  if (!saved.ok) return saved.error;
  const changes = await planFor(saved.value);
  printLosses(saved.value);
  const text = planText(changes, values.ipvsadm === true);
  process.stdout.write(text.stdout);
  process.stderr.write(text.stderr);
  return EXIT.OK;
}

async function planFor(saved: SavedState): Promise<readonly KernelChange[]> {
  const kernel = openKernel({ interface: saved.config.kernel.interface });
  try {
    return await planAgainst(kernel, saved, new Set(nodeAddresses()));
  } finally {
    kernel.close();
  }
}

/**
 * The changes that would make a kernel right for a saved state, taken as complete; none is made.
 * `localAddresses` as for `desiredServices`. Nothing drains yet: what goes begins to.
 */
export async function planAgainst(
  kernel: Pick<Kernel, 'observe' | 'sourceAddress'>,
  { config, generation }: Pick<SavedState, 'config' | 'generation'>,
  localAddresses: ReadonlySet<string>,
): Promise<readonly KernelChange[]> {
  const { nodeAddress, drainMs } = config.kernel;
  const owned = vipPrefixes(config.vip);
  const desired: DesiredKernel = {
    owned,
    services: desiredServices(generation.vips, localAddresses),
    source: await lookUpSource(kernel, nodeAddress, owned, generation.snapshot.leader.host),
    mayRemove: true,
  };
  const limited = [...desired.services.values()].filter(({ destinations }) =>
    [...destinations.values()].some(({ upperThreshold }) => upperThreshold > 0),
  );
  const time = { now: 0, drainMs };
  return planIpvs(desired, await kernel.observe(limited), new Map(), time).changes;
}

/** What is printed where; ipvsadm has no words for some changes, which people are told about. */
export function planText(
  changes: readonly KernelChange[],
  forIpvsadm: boolean,
): { readonly stdout: string; readonly stderr: string } {
  if (changes.length === 0) return { stdout: '', stderr: 'nothing to change\n' };
  if (!forIpvsadm) return { stdout: lines(changes), stderr: '' };
  const others = changes.filter((change) => ipvsadmText([change]) === '');
  const stderr = others.length === 0 ? '' : `not for ipvsadm:\n${lines(others)}`;
  return { stdout: ipvsadmText(changes), stderr };
}

function lines(changes: readonly KernelChange[]): string {
  return changes.map((change) => `${changeLine(change)}\n`).join('');
}
