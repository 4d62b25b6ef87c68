import type { OwnerName } from '../dns/name.ts';
import type { Backend, VipPort, VipService } from '../vip/vip-table.ts';
import type { ServedZones } from './served-zones.ts';
import { vipName, vipServiceName } from './vip-records.ts';
import type { NamedCluster } from './zone-view.ts';

/** Most ports and backends listed for one name. */
const LISTED_MAX = 100;

interface ExplainedBackend {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly state: Backend['state'];
  readonly taskId: string;
  readonly agent: string;
}

interface ExplainedPort {
  readonly protocol: string;
  readonly port: number;
  readonly scheduler: string;
  readonly backends: readonly ExplainedBackend[];
}

/** The VIP that a name is about. */
export interface ExplainedVip {
  readonly service: string;
  /** Whether this node's kernel balances the address; null: hoplite does not program it. */
  readonly addresses: readonly { readonly address: string; readonly programmed: boolean | null }[];
  readonly ports: readonly ExplainedPort[];
  readonly portsNotShown: number;
  readonly backendsNotShown: number;
}

/**
 * The VIP behind a name of one, of its SRV or PTR records, or of tasks that it stands for; null if
 * the name has nothing to do with any. `owner` is not below an alias domain.
 */
export function explainVip(
  { vips, programmed }: NamedCluster,
  zones: ServedZones,
  owner: OwnerName,
): ExplainedVip | null {
  const plainName = owner.endsWith(`.${zones.domain}`)
    ? owner.slice(0, -zones.domain.length - 1)
    : owner;
  const service =
    vips.plainNames.get(plainName) ??
    vips.services.find((candidate) => isNamed(candidate, zones, owner));
  if (service === undefined) return null;
  const ports = service.ports.slice(0, LISTED_MAX);
  let room = LISTED_MAX;
  const shown = ports.map((port) => {
    const explained = explainPort(port, room);
    room -= explained.backends.length;
    return explained;
  });
  const backends = service.ports.reduce((sum, port) => sum + port.backends.length, 0);
  return {
    service: service.identity,
    addresses: addressTexts(service).map((address) => ({
      address,
      programmed: programmed?.has(address) ?? null,
    })),
    ports: shown,
    portsNotShown: service.ports.length - shown.length,
    backendsNotShown: backends - (LISTED_MAX - room),
  };
}

function addressTexts({ ipv4, ipv6 }: VipService): string[] {
  return [ipv4, ipv6].flatMap((address) => address?.text ?? []);
}

function isNamed(service: VipService, zones: ServedZones, owner: OwnerName): boolean {
  const { domain, reverse } = zones;
  if (service.name === null) return false;
  if (owner === vipName(service, domain)) return true;
  if (owner.startsWith('_')) {
    return service.ports.some(
      ({ protocol }) => owner === vipServiceName(service, protocol, domain),
    );
  }
  return [service.ipv4, service.ipv6].some(
    (address) => address !== null && owner === reverse.ownerName(address),
  );
}

function explainPort(
  { protocol, port, scheduler, backends }: VipPort,
  room: number,
): ExplainedPort {
  return {
    protocol,
    port,
    scheduler,
    backends: backends.slice(0, room).map((backend) => ({
      address: backend.address.text,
      port: backend.port,
      weight: backend.weight,
      healthy: backend.healthy,
      state: backend.state,
      taskId: backend.taskId,
      agent: backend.agentId,
    })),
  };
}
