import { compareText } from '../base/order.ts';
import { append } from '../base/short-list.ts';
import { compareServices } from './service-entry.ts';
import type { VipService } from './vip-table.ts';

/** Which services plain task names stand for (HOPLITE_ENDPOINT=vip). */
export class PlainNames {
  /** By name: keys of the services that it may stand for. */
  readonly #keys = new Map<string, string[]>();
  /** By name: the service that it stands for. Sorted by name, unless there are new ones. */
  #chosen = new Map<string, VipService>();
  #hasNew = false;
  /** What was handed out; null: to be made anew. */
  #services: ReadonlyMap<string, VipService> | null = NONE;

  /** A service may stand for these names, for which it did not stand before. */
  add(key: string, names: readonly string[]): void {
    for (const name of names) this.#keys.set(name, append(this.#keys.get(name) ?? null, key));
  }

  /** A service stands for none of these names any more. */
  remove(key: string, names: readonly string[]): void {
    for (const name of names) {
      const left = this.#keys.get(name)?.filter((one) => one !== key) ?? [];
      if (left.length > 0) this.#keys.set(name, left);
      else this.#keys.delete(name);
    }
  }

  /**
   * Chooses anew for these names; those that stand for another service now, or for another version
   * of it, or for none. A name of several services stands for the first of them with an address.
   */
  choose(
    names: Iterable<string>,
    serviceOf: (key: string) => VipService | null,
  ): readonly string[] {
    const changed: string[] = [];
    for (const name of names) {
      const service = firstOf(this.#keys.get(name) ?? [], serviceOf);
      const before = this.#chosen.get(name) ?? null;
      if (service === before) continue;
      changed.push(name);
      if (service === null) this.#chosen.delete(name);
      else this.#chosen.set(name, service);
      if (before === null) this.#hasNew = true;
    }
    if (changed.length > 0) this.#services = null;
    return changed;
  }

  /** Chooses for all names. */
  chooseAll(serviceOf: (key: string) => VipService | null): void {
    this.choose(this.#keys.keys(), serviceOf);
  }

  /** By name, sorted; another object after a change. */
  get services(): ReadonlyMap<string, VipService> {
    if (this.#services !== null) return this.#services;
    if (this.#hasNew) {
      this.#chosen = new Map([...this.#chosen].sort(([a], [b]) => compareText(a, b)));
      this.#hasNew = false;
    }
    this.#services = new Map(this.#chosen);
    return this.#services;
  }
}

const NONE: ReadonlyMap<string, VipService> = new Map();

function firstOf(
  keys: Iterable<string>,
  serviceOf: (key: string) => VipService | null,
): VipService | null {
  let first: VipService | null = null;
  for (const key of keys) {
    const service = serviceOf(key);
    if (service === null || (service.ipv4 === null && service.ipv6 === null)) continue;
    if (first === null || compareServices(service, first) < 0) first = service;
  }
  return first;
}
