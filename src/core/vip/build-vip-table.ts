import type { RejectionList } from '../base/rejection.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { NamesConfig, VipConfig } from '../config/config.ts';
import { VipIndex } from './vip-index.ts';
import type { VipTable } from './vip-table.ts';
import type { VipTask } from './vip-task.ts';

/**
 * VIPs of a cluster: which there are, their addresses, and who serves them. Pure, and independent
 * of the order of frameworks, tasks and ports in the state (but where a bound cuts a hostile one).
 * What cannot be used is rejected, and nothing else with it.
 */
export function buildVipTable(
  catalog: Catalog,
  config: VipConfig,
  names: NamesConfig,
  domain: string,
  rejections: RejectionList,
): VipTable {
  const index = new VipIndex(config, names, domain);
  const { agents } = catalog.snapshot;
  index.reset({ agents, hosts: catalog.hosts }, vipTasks(catalog), rejections);
  return index.table;
}

/** All tasks of a catalog that VIPs may be made of, in its order. */
export function vipTasks({ frameworks }: Catalog): readonly VipTask[] {
  const found: VipTask[] = [];
  for (const { framework, name, tasks } of frameworks) {
    for (const { task, labels } of tasks) {
      found.push({ task, framework: name, labels, state: 'running' });
    }
    for (const task of framework.killing) {
      found.push({ task, framework: name, labels: [], state: 'killing' });
    }
  }
  return found;
}
