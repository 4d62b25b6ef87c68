import type { IpAddress } from '../base/address.ts';
import type { OwnerName } from '../dns/name.ts';
import type { RecordSink } from '../dns/zone.ts';
import type { VipService, VipTable } from '../vip/vip-table.ts';
import type { ReverseZones } from './reverse-names.ts';
import { VIP_SUBTREE } from './served-zones.ts';

/**
 * Texts of the addresses that the kernel of this node balances: a VIP has names only while packets
 * to it arrive somewhere. null: all count, since hoplite does not program the kernel.
 */
export type ProgrammedVips = ReadonlySet<string> | null;

/** `<name>.<framework>.l4lb.<domain>`; null for a declared address, which has no name. */
export function vipName(service: VipService, domain: OwnerName): OwnerName | null {
  return service.name === null ? null : `${service.identity}.${VIP_SUBTREE}.${domain}`;
}

/** `_<name>._<protocol>.<framework>.l4lb.<domain>`; null for a declared address. */
export function vipServiceName(
  { name, framework }: VipService,
  protocol: string,
  domain: OwnerName,
): OwnerName | null {
  if (name === null) return null;
  return `_${name}._${protocol}.${framework ?? ''}.${VIP_SUBTREE}.${domain}`;
}

/** The addresses of a service that answer on this node. */
export function programmedAddresses(
  { ipv4, ipv6 }: VipService,
  programmed: ProgrammedVips,
): readonly IpAddress[] {
  const addresses: IpAddress[] = [];
  for (const address of [ipv4, ipv6]) {
    if (address === null || programmed?.has(address.text) === false) continue;
    addresses.push(address);
  }
  return addresses;
}

/** A, AAAA, SRV and PTR of one service; none at all while none of its addresses is programmed. */
export function vipRecords(
  service: VipService,
  domain: OwnerName,
  reverse: ReverseZones,
  programmed: ProgrammedVips,
  sink: RecordSink,
): void {
  const owner = vipName(service, domain);
  if (owner === null) return;
  const addresses = programmedAddresses(service, programmed);
  if (addresses.length === 0) return;
  for (const address of addresses) {
    sink.address(owner, address);
    const pointer = reverse.ownerName(address);
    if (pointer !== null) sink.pointer(pointer, owner);
  }
  for (const { protocol, port } of service.ports) {
    sink.service(vipServiceName(service, protocol, domain) ?? owner, owner, port);
  }
}

/** The service that answers for a plain task name now, in place of the tasks. */
export type StandIns = ReadonlyMap<string, VipService>;

/** Services with HOPLITE_ENDPOINT=vip that are programmed, by `<label>.<framework>`. */
export function standIns(vips: VipTable, programmed: ProgrammedVips): StandIns {
  if (programmed === null) return vips.plainNames;
  return new Map(
    [...vips.plainNames].filter(([, service]) => programmedAddresses(service, programmed).length),
  );
}
