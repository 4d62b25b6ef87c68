import type { IpAddress } from '../base/address.ts';
import type { OwnerName } from './name.ts';

/** Start of authority and name server of a zone (RFC 1035 §3.3.13). Seconds throughout. */
export interface ZoneApex {
  readonly apex: OwnerName;
  /** Primary name server, also the NS record's target. */
  readonly mname: OwnerName;
  readonly rname: OwnerName;
  readonly refreshSeconds: number;
  readonly retrySeconds: number;
  readonly expireSeconds: number;
  /** TTL of negative answers (RFC 2308 §4). */
  readonly minimumSeconds: number;
}

/** What all records of a generation have in common. */
export interface ZoneTerms {
  readonly zones: readonly ZoneApex[];
  readonly ttlSeconds: number;
  /** Weight of every SRV record; the priority is always 0. */
  readonly srvWeight: number;
}

/** Where record generators put what they make; each answers whether the record is new. */
export interface RecordSink {
  address(owner: OwnerName, address: IpAddress): boolean;
  service(owner: OwnerName, target: OwnerName, port: number): boolean;
  /** A PTR record (RFC 1035 §3.3.12). */
  pointer(owner: OwnerName, target: OwnerName): boolean;
}
