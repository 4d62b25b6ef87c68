import { DaemonError } from '../../core/base/daemon-error.ts';
import { SERVICE_FLAG } from '../../core/ipvs/attributes.ts';
import type { KernelDestination } from '../../core/ipvs/ipvs-message.ts';
import { type ProcService, type ProcTable, ProcTableReader } from '../../core/ipvs/proc-table.ts';
import {
  destinationKey,
  type IpvsTable,
  type ObservedDestination,
  type ObservedService,
  type ServiceId,
  serviceKey,
} from '../../core/ipvs/table.ts';
import type { IpvsClient } from './ipvs-client.ts';
import { ProcFile } from './proc-file.ts';

/** Schedulers that look at the flags of their service. */
const SCHEDULERS_WITH_FLAGS: readonly string[] = ['sh', 'mh'];
/** From here on a list of all services is cheaper than a question for each. */
const QUESTIONS_MAX = 64;
/**
 * Destinations whose thresholds are looked at per call without being asked for: some 10 ms, so that
 * thresholds that somebody else has set are found, if not at once in a large table.
 */
const ROUND_DESTINATIONS = 256;

/**
 * The IPVS table as it is. Nearly all of it stands in `/proc/net/ip_vs`, which is a hundred times
 * cheaper to read than the lists of netlink; netlink adds what is missing there: flags of
 * schedulers, seconds of persistence and thresholds.
 */
export class TableObserver {
  readonly #ipvs: Pick<IpvsClient, 'service' | 'services' | 'destinations'>;
  readonly #file = new ProcFile();
  readonly #reader = new ProcTableReader();
  /** CONFIG_HZ of the running kernel, once it is known. */
  #ticksPerSecond: number | null = null;
  /** Services whose thresholds have been looked at in this round of all. */
  #looked = 0;

  constructor(ipvs: Pick<IpvsClient, 'service' | 'services' | 'destinations'>) {
    this.#ipvs = ipvs;
  }

  /** `exact`: services whose thresholds have to be right; those of others may be given as 0. */
  async observe(exact: readonly ServiceId[]): Promise<IpvsTable<ObservedService>> {
    const table = this.#reader.read(this.#file.read());
    if (table === null) throw new DaemonError('kernel-failed', '/proc/net/ip_vs is unknown to us');
    const flags = await this.#schedulerFlags(table);
    const ticksPerSecond = await this.#findTicksPerSecond(table);
    const thresholds = await this.#thresholds(table, exact);
    const services = new Map<string, ObservedService>();
    for (const [key, service] of table) {
      const { protocol, address, port, scheduler } = service;
      const known = thresholds.get(key);
      services.set(key, {
        protocol,
        address,
        port,
        scheduler,
        schedulerFlags: (flags.get(key) ?? 0) | (service.isOnePacket ? SERVICE_FLAG.ONE_PACKET : 0),
        persistenceSeconds: service.persistenceTicks / ticksPerSecond,
        destinations:
          known === undefined ? service.destinations : withThresholds(service.destinations, known),
      });
    }
    return services;
  }

  async #schedulerFlags(table: ProcTable): Promise<ReadonlyMap<string, number>> {
    const flags = new Map<string, number>();
    const flagged: (readonly [string, ProcService])[] = [];
    for (const [key, service] of table) {
      if (SCHEDULERS_WITH_FLAGS.includes(service.scheduler)) flagged.push([key, service]);
    }
    if (flagged.length > QUESTIONS_MAX) {
      for (const { id, settings } of await this.#ipvs.services()) {
        if (id !== null) flags.set(serviceKey(id), settings.schedulerFlags);
      }
      return flags;
    }
    for (const [key, id] of flagged) {
      const service = await this.#ipvs.service(id);
      if (service !== null) flags.set(key, service.settings.schedulerFlags);
    }
    return flags;
  }

  /** The file gives ticks where netlink gives seconds: comparing one service tells the rest. */
  async #findTicksPerSecond(table: ProcTable): Promise<number> {
    if (this.#ticksPerSecond !== null) return this.#ticksPerSecond;
    let questions = 0;
    for (const service of table.values()) {
      if (service.persistenceTicks === 0) continue;
      if (++questions > QUESTIONS_MAX) break;
      const seconds = (await this.#ipvs.service(service))?.settings.persistenceSeconds ?? 0;
      if (seconds === 0 || service.persistenceTicks % seconds !== 0) continue;
      this.#ticksPerSecond = service.persistenceTicks / seconds;
      return this.#ticksPerSecond;
    }
    if (questions === 0) return 1;
    throw new DaemonError('kernel-failed', 'the IPVS table changes while it is read');
  }

  /** Destinations of some services as netlink tells them, by `serviceKey`. */
  async #thresholds(
    table: ProcTable,
    exact: readonly ServiceId[],
  ): Promise<ReadonlyMap<string, readonly KernelDestination[]>> {
    const wanted = new Map<string, ServiceId>();
    for (const id of exact) {
      const key = serviceKey(id);
      const service = table.get(key);
      if (service !== undefined) wanted.set(key, service);
    }
    for (const service of this.#nextOfRound(table)) wanted.set(serviceKey(service), service);
    const found = new Map<string, readonly KernelDestination[]>();
    for (const [key, id] of wanted) found.set(key, await this.#ipvs.destinations(id));
    return found;
  }

  /** The services whose turn it is, all of a small table. */
  #nextOfRound(table: ProcTable): readonly ProcService[] {
    const services: ProcService[] = [];
    for (const service of table.values()) if (service.destinations.size > 0) services.push(service);
    if (this.#looked >= services.length) this.#looked = 0;
    const turn: ProcService[] = [];
    let room = ROUND_DESTINATIONS;
    while (room > 0 && turn.length < services.length) {
      const service = services[(this.#looked + turn.length) % services.length]!;
      turn.push(service);
      room -= service.destinations.size;
    }
    this.#looked += turn.length;
    return turn;
  }
}

function withThresholds(
  destinations: ReadonlyMap<string, ObservedDestination>,
  known: readonly KernelDestination[],
): ReadonlyMap<string, ObservedDestination> {
  const limited = known.filter((other) => other.upperThreshold > 0 || other.lowerThreshold > 0);
  if (limited.length === 0) return destinations;
  const result = new Map(destinations);
  for (const { id, upperThreshold, lowerThreshold } of limited) {
    const key = destinationKey(id);
    const destination = destinations.get(key);
    if (destination === undefined) continue;
    result.set(key, { ...destination, upperThreshold, lowerThreshold });
  }
  return result;
}
