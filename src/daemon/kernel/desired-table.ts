import {
  destinationKey,
  type ServiceId,
  serviceKey,
  type VirtualService,
} from '../../core/ipvs/table.ts';
import type { DesiredUpdate, ServiceMessage } from './kernel-protocol.ts';

/** What the kernel should hold, put together from updates, with what they touched. */
export class DesiredTable {
  readonly #services = new Map<string, VirtualService>();
  readonly #byAddress = new Map<string, Set<string>>();
  /** Services whose destinations have thresholds. */
  readonly #limited = new Map<string, ServiceId>();
  #touched = new Set<string>();
  #hasUpdate = false;
  #hasWhole = false;
  #mayRemove = false;
  #additionsOnly = false;
  #towards: string | null = null;

  get services(): ReadonlyMap<string, VirtualService> {
    return this.#services;
  }

  /** Services whose destinations have thresholds, of which the kernel has to be asked. */
  get limited(): readonly ServiceId[] {
    return [...this.#limited.values()];
  }

  /** Whether there was any update: before, nothing is known to be right or wrong. */
  get hasUpdate(): boolean {
    return this.#hasUpdate;
  }

  /** Whether the table is complete: there was a whole update. */
  get hasWhole(): boolean {
    return this.#hasWhole;
  }

  /** Whether what is missing here may go: never before there was a whole update. */
  get mayRemove(): boolean {
    return this.#hasWhole && this.#mayRemove;
  }

  /** Whether services that the kernel has stay as they are. */
  get additionsOnly(): boolean {
    return this.#additionsOnly;
  }

  /** An address of the cluster; null: none is known. */
  get towards(): string | null {
    return this.#towards;
  }

  /** Takes an update over; true: everything has to be compared, not only what it touches. */
  take(update: DesiredUpdate): boolean {
    const { mayRemove, additionsOnly, towards } = this;
    const isFirst = !this.#hasUpdate;
    this.#hasUpdate = true;
    this.#towards = update.towards;
    this.#mayRemove = update.mayRemove;
    this.#additionsOnly = update.additionsOnly === true;
    if (update.isWhole) {
      this.#hasWhole = true;
      this.#services.clear();
      this.#byAddress.clear();
      this.#limited.clear();
      this.#touched.clear();
    }
    for (const key of update.removed) this.#remove(key);
    for (const message of update.services) this.#set(message, !update.isWhole);
    // What could not be removed or changed before may be anywhere.
    const isFreed = (this.mayRemove && !mayRemove) || (additionsOnly && !this.#additionsOnly);
    return update.isWhole || isFirst || isFreed || update.towards !== towards;
  }

  /** Whether an address waits to be compared. */
  get isTouched(): boolean {
    return this.#touched.size > 0;
  }

  /** Addresses whose services changed since the call before. */
  takeTouched(): ReadonlySet<string> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  /** Services of some addresses. */
  part(addresses: ReadonlySet<string>): ReadonlyMap<string, VirtualService> {
    const part = new Map<string, VirtualService>();
    for (const address of addresses) {
      for (const key of this.#byAddress.get(address) ?? []) part.set(key, this.#services.get(key)!);
    }
    return part;
  }

  #set(message: ServiceMessage, touches: boolean): void {
    const { address } = message;
    const key = serviceKey(message);
    const destinations = new Map(message.destinations.map((one) => [destinationKey(one), one]));
    this.#services.set(key, { ...message, destinations });
    const isLimited = message.destinations.some(
      ({ upperThreshold, lowerThreshold }) => upperThreshold > 0 || lowerThreshold > 0,
    );
    if (isLimited) this.#limited.set(key, message);
    else this.#limited.delete(key);
    const keys = this.#byAddress.get(address);
    if (keys === undefined) this.#byAddress.set(address, new Set([key]));
    else keys.add(key);
    if (touches) this.#touched.add(address);
  }

  #remove(key: string): void {
    const service = this.#services.get(key);
    if (service === undefined) return;
    this.#services.delete(key);
    this.#limited.delete(key);
    const keys = this.#byAddress.get(service.address);
    keys?.delete(key);
    if (keys?.size === 0) this.#byAddress.delete(service.address);
    this.#touched.add(service.address);
  }
}
