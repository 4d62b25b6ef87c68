import type { IpAddress } from '../base/address.ts';
import { compareText } from '../base/order.ts';
import { destinationKey } from '../ipvs/table.ts';
import type { Backend, VipPort, VipService, VipTable } from '../vip/vip-table.ts';

/** One backend in `/v1/vips`: DC/OS' `ip` and `port`, and what it leaves out. */
export interface VipsViewBackend {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly state: Backend['state'];
  readonly taskId: string;
  readonly agent: string;
}

/** One element of `/v1/vips`. */
export interface VipsViewEntry {
  /** `<fqdn or address>:<port>`, as in DC/OS; IPv6 addresses stand in brackets. */
  readonly vip: string;
  readonly protocol: string;
  readonly name: string | null;
  readonly fqdn: string | null;
  readonly address: string;
  readonly port: number;
  readonly scheduler: string;
  readonly persistenceSeconds: number;
  /** null: hoplite does not program the kernel, so it does not know. */
  readonly programmed: boolean | null;
  readonly backend: readonly VipsViewBackend[];
}

/** One element of `hoplite show-vips --json`. */
export interface VipListEntry {
  /** Normalised VIP name; null for a declared address. */
  readonly name: string | null;
  /** `<name>.<framework>.l4lb.<domain>`; null for a declared address. */
  readonly fqdn: string | null;
  readonly address: string;
  readonly protocol: string;
  readonly port: number;
  /** As ipvsadm(8) names it. */
  readonly scheduler: string;
  readonly backends: readonly VipListBackend[];
}

export interface VipListBackend {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly taskId: string;
  /** Agent id. */
  readonly agent: string;
}

/** One address and port that is balanced, with the backends of its family. */
interface Frontend {
  readonly service: VipService;
  readonly fqdn: string | null;
  readonly address: IpAddress;
  readonly port: VipPort;
  readonly backends: readonly Backend[];
}

/**
 * Body of `/v1/vips`: the list of dcos-net (dcos_rest_vips_handler.erl) with more members, one
 * element for each address and port. `programmed` holds the VIP addresses that this node's kernel
 * balances; null where hoplite programs none.
 */
export function vipsView(
  vips: VipTable,
  domain: string,
  programmed: ReadonlySet<string> | null,
): VipsViewEntry[] {
  return frontends(vips, domain).map(({ service, fqdn, address, port, backends }) => ({
    vip:
      fqdn === null
        ? destinationKey({ address: address.text, port: port.port })
        : `${fqdn}:${port.port}`,
    protocol: port.protocol,
    name: service.name,
    fqdn,
    address: address.text,
    port: port.port,
    scheduler: port.scheduler,
    persistenceSeconds: port.persistenceSeconds,
    programmed: programmed === null ? null : programmed.has(address.text),
    backend: backends.map((backend) => ({
      ip: backend.address.text,
      port: backend.port,
      weight: backend.weight,
      healthy: backend.healthy,
      state: backend.state,
      taskId: backend.taskId,
      agent: backend.agentId,
    })),
  }));
}

/** What `hoplite show-vips` lists, by name, protocol and port; declared addresses come first. */
export function vipList(vips: VipTable, domain: string): VipListEntry[] {
  return frontends(vips, domain).map(({ service, fqdn, address, port, backends }) => ({
    name: service.name,
    fqdn,
    address: address.text,
    protocol: port.protocol,
    port: port.port,
    scheduler: port.scheduler,
    backends: backends.map((backend) => ({
      address: backend.address.text,
      port: backend.port,
      weight: backend.weight,
      taskId: backend.taskId,
      agent: backend.agentId,
    })),
  }));
}

/** Without services that got no address, which the rejections list, and what nothing is behind. */
function frontends(vips: VipTable, domain: string): Frontend[] {
  const list: Frontend[] = [];
  for (const service of vips.services) {
    const fqdn = fqdnOf(service, domain);
    for (const address of [service.ipv4, service.ipv6]) {
      if (address === null) continue;
      for (const port of service.ports) {
        const backends = port.backends.filter(
          (backend) => backend.address.family === address.family,
        );
        if (backends.length > 0) list.push({ service, fqdn, address, port, backends });
      }
    }
  }
  return list.sort(
    (a, b) =>
      compareText(a.service.name ?? '', b.service.name ?? '') ||
      compareText(a.port.protocol, b.port.protocol) ||
      a.port.port - b.port.port ||
      compareText(a.service.identity, b.service.identity) ||
      a.address.family - b.address.family,
  );
}

function fqdnOf({ name, framework }: VipService, domain: string): string | null {
  return name === null ? null : `${name}.${framework ?? ''}.l4lb.${domain}`;
}
