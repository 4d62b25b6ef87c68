import type { IpAddress } from '../base/address.ts';
import { type AddressMove, FamilyAddresses } from './family-addresses.ts';
import type { AddressPool } from './pool.ts';
import { claimsAddress, type ServiceEntry } from './service-entry.ts';
import type { VipService } from './vip-table.ts';

/** A service that is being made, so that its addresses may still be set. */
type Unpublished = { -readonly [K in keyof VipService]: VipService[K] };

const FAMILIES = [4, 6] as const;
const SIDES = { 4: 'ipv4', 6: 'ipv6' } as const;

/** Who has which VIP, of both families: declared addresses first, and around them those of names. */
export class VipAddresses {
  readonly #families: Readonly<Record<4 | 6, FamilyAddresses>>;
  readonly #declared = new Map<string, IpAddress>();
  #isReservedChanged = false;

  constructor(pools: Readonly<Record<4 | 6, AddressPool>>) {
    this.#families = {
      4: new FamilyAddresses(pools[4], SIDES[4]),
      6: new FamilyAddresses(pools[6], SIDES[6]),
    };
  }

  /** Forgets all services but these, by their keys. */
  reset(entries: ReadonlyMap<string, ServiceEntry>): void {
    const claimants: Record<4 | 6, string[]> = { 4: [], 6: [] };
    this.#declared.clear();
    for (const [key, { service }] of entries) {
      this.#reserve(key, null, service);
      for (const family of FAMILIES) {
        if (claimsAddress(service, family)) claimants[family].push(key);
      }
    }
    for (const family of FAMILIES) this.#families[family].reset(claimants[family]);
  }

  /** A service takes the place of an older version, whose addresses it keeps until they move. */
  replace(key: string, old: VipService | null, service: Unpublished | null): void {
    this.#reserve(key, old, service);
    for (const family of FAMILIES) {
      const did = claimsAddress(old, family);
      if (service === null || !claimsAddress(service, family)) {
        if (did) this.#families[family].remove(key);
        continue;
      }
      if (!did) this.#families[family].add(key);
      const side = SIDES[family];
      service[side] = old?.[side] ?? null;
    }
  }

  /** Whose address is another one since the last time. */
  settle(): readonly AddressMove[] {
    const isReservedChanged = this.#isReservedChanged;
    this.#isReservedChanged = false;
    return FAMILIES.flatMap((family) =>
      this.#families[family].settle(this.#declared.values(), isReservedChanged),
    );
  }

  /** Notes a declared address, or that it is so no more. */
  #reserve(key: string, old: VipService | null, service: VipService | null): void {
    const address = service?.name === null ? (service.ipv4 ?? service.ipv6) : null;
    if ((old?.name === null) === (address !== null)) return;
    this.#isReservedChanged = true;
    if (address === null) this.#declared.delete(key);
    else this.#declared.set(key, address);
  }
}
