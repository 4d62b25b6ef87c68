import { formatIpAddress, type IpAddress, parseIpAddress } from '../base/address.ts';
import { assert, unreachable } from '../base/assert.ts';
import { ADDRESS_FAMILY } from '../netlink/address-family.ts';
import { Attributes, AttributeWriter } from '../netlink/attributes.ts';
import { GENERIC_HEADER_BYTES, genericHeader } from '../netlink/generic-message.ts';
import {
  DESTINATION_ATTRIBUTE,
  FORWARDING_NUMBER,
  IPVS_ATTRIBUTE,
  IPVS_COMMAND,
  PROTOCOL_NUMBER,
  SERVICE_ATTRIBUTE,
  SERVICE_FLAG,
  STATS_ATTRIBUTE,
} from './attributes.ts';
import type { KernelChange } from './plan.ts';
import {
  type Destination,
  type DestinationId,
  type Protocol,
  PROTOCOLS,
  SCHEDULER_FLAG,
  type ServiceId,
  type ServiceSettings,
} from './table.ts';

/** A change of the IPVS table; the other changes are of routes. */
export type IpvsChange = Extract<KernelChange, { readonly service: unknown }>;

/** A service as GET_SERVICE answers it. */
export interface KernelService {
  /** null: a service by firewall mark. */
  readonly id: ServiceId | null;
  readonly settings: ServiceSettings;
  readonly counters: TrafficCounters;
}

/**
 * Totals since a service was made. The kernel adds up every two seconds, and not at all where
 * net.ipv4.vs.run_estimation is 0.
 */
export interface TrafficCounters {
  readonly connections: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What `/proc/net/ip_vs` does not tell about a destination. */
export interface KernelDestination {
  readonly id: DestinationId;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
}

/** All bits that a service's flags are set to, rather than only those that are one. */
const FLAGS_MASK = 0xffffffff;
/** One client is one address: persistence is not by network. */
const NETMASK_IPV4 = 0xffffffff;
const NETMASK_IPV6 = 128;

/** Body of the message that makes a change. */
export function encodeIpvsChange(change: IpvsChange): Uint8Array {
  switch (change.kind) {
    case 'add-service':
      return encodeService(IPVS_COMMAND.NEW_SERVICE, change.service);
    case 'edit-service':
      return encodeService(IPVS_COMMAND.SET_SERVICE, change.service);
    case 'delete-service':
      return encodeServiceKey(IPVS_COMMAND.DELETE_SERVICE, change.service);
    case 'add-destination':
      return encodeDestination(IPVS_COMMAND.NEW_DESTINATION, change.service, change.destination);
    case 'edit-destination':
      return encodeDestination(IPVS_COMMAND.SET_DESTINATION, change.service, change.destination);
    case 'delete-destination':
      return writeServiceKey(IPVS_COMMAND.DELETE_DESTINATION, change.service)
        .nest(IPVS_ATTRIBUTE.DESTINATION, (nest) => {
          writeDestinationId(nest, change.destination);
        })
        .finish();
    default:
      return unreachable(change);
  }
}

/** Body of a question about a service (GET_SERVICE), or about its destinations. */
export function encodeServiceQuery(
  what: 'GET_SERVICE' | 'GET_DESTINATION',
  service: ServiceId,
): Uint8Array {
  return encodeServiceKey(IPVS_COMMAND[what], service);
}

/** Body of a question about all services, or about IPVS itself. */
export function encodeIpvsQuery(what: 'GET_SERVICE' | 'GET_INFO'): Uint8Array {
  return genericHeader(IPVS_COMMAND[what]);
}

/** Reads an answer to GET_SERVICE; null if it is malformed or of a protocol that we do not know. */
export function decodeService(body: Uint8Array): KernelService | null {
  const service =
    Attributes.parse(body, GENERIC_HEADER_BYTES)?.nested(IPVS_ATTRIBUTE.SERVICE) ?? null;
  if (service === null) return null;
  const flags = service.u32(SERVICE_ATTRIBUTE.FLAGS) ?? 0;
  const id = decodeServiceId(service);
  if (id === null && service.u16(SERVICE_ATTRIBUTE.PROTOCOL) !== null) return null;
  const isPersistent = (flags & SERVICE_FLAG.PERSISTENT) !== 0;
  return {
    id,
    settings: {
      scheduler: service.text(SERVICE_ATTRIBUTE.SCHEDULER) ?? '',
      schedulerFlags: flags & ~(SERVICE_FLAG.PERSISTENT | SERVICE_FLAG.HASHED),
      persistenceSeconds: isPersistent ? (service.u32(SERVICE_ATTRIBUTE.TIMEOUT) ?? 0) : 0,
    },
    counters: decodeCounters(service),
  };
}

/** Reads an answer to GET_DESTINATION; null if it is malformed. */
export function decodeDestination(body: Uint8Array): KernelDestination | null {
  const destination =
    Attributes.parse(body, GENERIC_HEADER_BYTES)?.nested(IPVS_ATTRIBUTE.DESTINATION) ?? null;
  if (destination === null) return null;
  const family = destination.u16(DESTINATION_ATTRIBUTE.FAMILY) ?? ADDRESS_FAMILY[4];
  const address = decodeAddress(destination.bytes(DESTINATION_ATTRIBUTE.ADDRESS), family);
  const port = destination.u16be(DESTINATION_ATTRIBUTE.PORT);
  if (address === null || port === null) return null;
  return {
    id: { address, port },
    upperThreshold: destination.u32(DESTINATION_ATTRIBUTE.UPPER_THRESHOLD) ?? 0,
    lowerThreshold: destination.u32(DESTINATION_ATTRIBUTE.LOWER_THRESHOLD) ?? 0,
  };
}

function encodeService(command: number, service: ServiceId & ServiceSettings): Uint8Array {
  const address = addressOf(service.address);
  const isPersistent = service.persistenceSeconds > 0;
  const flags =
    (service.schedulerFlags & (SCHEDULER_FLAG.FALLBACK | SCHEDULER_FLAG.PORT)) |
    (isPersistent ? SERVICE_FLAG.PERSISTENT : 0);
  const flagsAndMask = new Uint8Array(8);
  const view = new DataView(flagsAndMask.buffer);
  view.setUint32(0, flags, true);
  view.setUint32(4, FLAGS_MASK, true);
  return new AttributeWriter(genericHeader(command))
    .nest(IPVS_ATTRIBUTE.SERVICE, (nest) => {
      writeServiceId(nest, service, address);
      nest
        .text(SERVICE_ATTRIBUTE.SCHEDULER, service.scheduler)
        .bytes(SERVICE_ATTRIBUTE.FLAGS, flagsAndMask)
        .u32(SERVICE_ATTRIBUTE.TIMEOUT, service.persistenceSeconds)
        .u32(SERVICE_ATTRIBUTE.NETMASK, address.family === 4 ? NETMASK_IPV4 : NETMASK_IPV6);
    })
    .finish();
}

function encodeServiceKey(command: number, service: ServiceId): Uint8Array {
  return writeServiceKey(command, service).finish();
}

function encodeDestination(
  command: number,
  service: ServiceId,
  destination: Destination,
): Uint8Array {
  return writeServiceKey(command, service)
    .nest(IPVS_ATTRIBUTE.DESTINATION, (nest) => {
      writeDestinationId(nest, destination);
      nest
        .u32(DESTINATION_ATTRIBUTE.FORWARDING, FORWARDING_NUMBER[destination.forwarding])
        .u32(DESTINATION_ATTRIBUTE.WEIGHT, destination.weight)
        .u32(DESTINATION_ATTRIBUTE.UPPER_THRESHOLD, destination.upperThreshold)
        .u32(DESTINATION_ATTRIBUTE.LOWER_THRESHOLD, destination.lowerThreshold);
    })
    .finish();
}

function writeServiceKey(command: number, service: ServiceId): AttributeWriter {
  return new AttributeWriter(genericHeader(command)).nest(IPVS_ATTRIBUTE.SERVICE, (nest) => {
    writeServiceId(nest, service, addressOf(service.address));
  });
}

function writeServiceId(nest: AttributeWriter, service: ServiceId, address: IpAddress): void {
  nest
    .u16(SERVICE_ATTRIBUTE.FAMILY, ADDRESS_FAMILY[address.family])
    .u16(SERVICE_ATTRIBUTE.PROTOCOL, PROTOCOL_NUMBER[service.protocol])
    .bytes(SERVICE_ATTRIBUTE.ADDRESS, address.bytes)
    .u16be(SERVICE_ATTRIBUTE.PORT, service.port);
}

function writeDestinationId(nest: AttributeWriter, destination: DestinationId): void {
  const address = addressOf(destination.address);
  nest
    .bytes(DESTINATION_ATTRIBUTE.ADDRESS, address.bytes)
    .u16be(DESTINATION_ATTRIBUTE.PORT, destination.port)
    .u16(DESTINATION_ATTRIBUTE.FAMILY, ADDRESS_FAMILY[address.family]);
}

function decodeServiceId(service: Attributes): ServiceId | null {
  const number = service.u16(SERVICE_ATTRIBUTE.PROTOCOL);
  const protocol = PROTOCOLS.find((name: Protocol) => PROTOCOL_NUMBER[name] === number);
  const family = service.u16(SERVICE_ATTRIBUTE.FAMILY) ?? 0;
  const address = decodeAddress(service.bytes(SERVICE_ATTRIBUTE.ADDRESS), family);
  const port = service.u16be(SERVICE_ATTRIBUTE.PORT);
  if (protocol === undefined || address === null || port === null) return null;
  return { protocol, address, port };
}

function decodeCounters(service: Attributes): TrafficCounters {
  const stats =
    service.nested(SERVICE_ATTRIBUTE.STATS64) ?? service.nested(SERVICE_ATTRIBUTE.STATS);
  const read = (type: number): number => stats?.counter(type) ?? 0;
  return {
    connections: read(STATS_ATTRIBUTE.CONNECTIONS),
    packetsIn: read(STATS_ATTRIBUTE.PACKETS_IN),
    packetsOut: read(STATS_ATTRIBUTE.PACKETS_OUT),
    bytesIn: read(STATS_ATTRIBUTE.BYTES_IN),
    bytesOut: read(STATS_ATTRIBUTE.BYTES_OUT),
  };
}

/** The kernel answers with 16 octets for IPv4 too, of which the first four count. */
function decodeAddress(bytes: Uint8Array | null, family: number): string | null {
  const size = family === ADDRESS_FAMILY[4] ? 4 : family === ADDRESS_FAMILY[6] ? 16 : 0;
  if (bytes === null || size === 0 || bytes.length < size) return null;
  return formatIpAddress(bytes.subarray(0, size));
}

function addressOf(text: string): IpAddress {
  const address = parseIpAddress(text);
  assert(address !== null, 'addresses in a plan are canonical');
  return address;
}
