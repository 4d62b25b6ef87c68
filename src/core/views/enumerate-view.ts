import type { IpAddress } from '../base/address.ts';
import { RejectionList } from '../base/rejection.ts';
import type { CatalogTask } from '../catalog/catalog.ts';
import type { OwnerName } from '../dns/name.ts';
import { RecordStore } from '../dns/record-store.ts';
import type { RecordSink } from '../dns/zone.ts';
import { emitRecords, type NamedCluster, type ZoneSettings } from './zone-view.ts';

interface EnumeratedRecord {
  readonly name: OwnerName;
  readonly host: string;
  readonly rtype: 'A' | 'AAAA' | 'SRV';
}

/**
 * Body of `/v1/enumerate`: frameworks and running tasks in the state's order, each with the
 * records that it was the first to make. Where Mesos-DNS writes null for none we write [] (H07).
 */
export function enumerateView(cluster: NamedCluster, settings: ZoneSettings): unknown {
  const recordsOf = new Map<CatalogTask, EnumeratedRecord[]>();
  let records: EnumeratedRecord[] | null = null;
  const published = new RecordStore(() => undefined);
  const sink: RecordSink = {
    address(name: OwnerName, address: IpAddress): boolean {
      const isNew = published.address(name, address);
      const rtype = address.family === 4 ? 'A' : 'AAAA';
      if (isNew) records?.push({ name, host: address.text, rtype });
      return isNew;
    },
    service(name: OwnerName, target: OwnerName, port: number): boolean {
      const isNew = published.service(name, target, port);
      if (isNew) records?.push({ name, host: `${target}:${port}`, rtype: 'SRV' });
      return isNew;
    },
    // Mesos-DNS has none, so none are listed.
    pointer: () => true,
  };
  emitRecords(cluster, settings, sink, new RejectionList(), (_path, task) => {
    records = task === null ? null : [];
    if (task !== null && records !== null) recordsOf.set(task, records);
  });
  return {
    frameworks: cluster.catalog.frameworks.map(({ framework, tasks }) => ({
      tasks: tasks.map((entry) => ({
        name: entry.task.name,
        id: entry.task.id,
        records: recordsOf.get(entry) ?? [],
      })),
      name: framework.name,
    })),
  };
}
