import type { KernelDestination, KernelService } from '../../core/ipvs/ipvs-message.ts';
import {
  decodeDestination,
  decodeService,
  encodeIpvsChange,
  encodeIpvsQuery,
  encodeServiceQuery,
  type IpvsChange,
} from '../../core/ipvs/ipvs-message.ts';
import { IPVS_FAMILY } from '../../core/ipvs/attributes.ts';
import type { ServiceId } from '../../core/ipvs/table.ts';
import { ERRNO } from '../../core/netlink/errno.ts';
import {
  CONTROL_FAMILY,
  decodeFamilyId,
  encodeFamilyQuery,
} from '../../core/netlink/generic-message.ts';
import { moduleFailure, requestFailure } from './kernel-failure.ts';
import { createNetlinkClient, type NetlinkClient } from './netlink-client.ts';
import { NETLINK_PROTOCOL, type NetlinkReply } from './netlink-socket.ts';

/**
 * IPVS over generic netlink. The number of its family changes when the module is loaded again, and
 * then every request fails with ENOENT; such requests are made once more with the new number. All
 * methods reject with `DaemonError` kernel-module, kernel-permission, kernel-timeout or
 * kernel-failed.
 */
export class IpvsClient {
  readonly #client: NetlinkClient;
  #family: number | null = null;

  constructor(timeoutMs: number) {
    this.#client = createNetlinkClient(NETLINK_PROTOCOL.GENERIC, timeoutMs);
  }

  /** Looks for IPVS, which makes the kernel load it, and for the right to change it. */
  async prepare(): Promise<void> {
    await this.#resolve();
    const { errno } = await this.#request('ask', encodeIpvsQuery('GET_INFO'));
    if (errno !== 0) throw requestFailure('ask for the version of IPVS', errno);
  }

  /** Makes changes in their order; error number of each, 0 for done. */
  async change(changes: readonly IpvsChange[]): Promise<readonly number[]> {
    const bodies = changes.map(encodeIpvsChange);
    const send = (type: number): Promise<readonly number[]> =>
      this.#client.change(bodies.map((body) => ({ type, flags: 0, body })));
    const family = this.#family ?? (await this.#resolve());
    const errnos = await send(family);
    // ENOENT is also said of schedulers and destinations: only the number tells.
    const isStale = errnos.includes(ERRNO.ENOENT) && (await this.#resolve()) !== family;
    return isStale ? send(this.#family ?? family) : errnos;
  }

  /** All services but those of protocols that we do not know. */
  async services(): Promise<readonly KernelService[]> {
    const { errno, bodies } = await this.#request('dump', encodeIpvsQuery('GET_SERVICE'));
    if (errno !== 0) throw requestFailure('list the services of IPVS', errno);
    return bodies.map(decodeService).filter((service) => service !== null);
  }

  /** Null: there is no such service. */
  async service(id: ServiceId): Promise<KernelService | null> {
    const { errno, bodies } = await this.#request('ask', encodeServiceQuery('GET_SERVICE', id));
    if (errno === ERRNO.ESRCH) return null;
    if (errno !== 0) throw requestFailure('ask for a service of IPVS', errno);
    return bodies[0] === undefined ? null : decodeService(bodies[0]);
  }

  /** Empty if there is no such service. */
  async destinations(id: ServiceId): Promise<readonly KernelDestination[]> {
    const body = encodeServiceQuery('GET_DESTINATION', id);
    const { errno, bodies } = await this.#request('dump', body);
    if (errno !== 0) throw requestFailure('list the destinations of a service', errno);
    return bodies.map(decodeDestination).filter((destination) => destination !== null);
  }

  close(): void {
    this.#client.close();
  }

  async #request(kind: 'ask' | 'dump', body: Uint8Array): Promise<NetlinkReply> {
    const family = this.#family ?? (await this.#resolve());
    const reply = await this.#client[kind]({ type: family, flags: 0, body });
    if (reply.errno !== ERRNO.ENOENT) return reply;
    const type = await this.#resolve();
    return type === family ? reply : this.#client[kind]({ type, flags: 0, body });
  }

  async #resolve(): Promise<number> {
    this.#family = null;
    const body = encodeFamilyQuery(IPVS_FAMILY);
    const { errno, bodies } = await this.#client.ask({ type: CONTROL_FAMILY, flags: 0, body });
    if (errno === ERRNO.ENOENT) throw moduleFailure();
    if (errno !== 0) throw requestFailure('ask the kernel for IPVS', errno);
    const family = bodies[0] === undefined ? null : decodeFamilyId(bodies[0]);
    if (family === null) throw moduleFailure();
    this.#family = family;
    return family;
  }
}
