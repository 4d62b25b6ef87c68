import { type IpAddress, parseIpAddress } from '../../core/base/address.ts';
import { assert } from '../../core/base/assert.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import type { KernelChange } from '../../core/ipvs/plan.ts';
import { ERRNO } from '../../core/netlink/errno.ts';
import {
  decodeLink,
  encodeDummy,
  encodeLinkName,
  encodeLinkUp,
  type Link,
  LINK_MESSAGE,
} from '../../core/netlink/link-message.ts';
import { MESSAGE_FLAG, type NetlinkRequest } from '../../core/netlink/message.ts';
import {
  decodeLocalRoute,
  decodeRouteSource,
  encodeLocalRoute,
  encodeLocalRouteKey,
  encodeRouteDump,
  encodeRouteLookup,
  ROUTE_MESSAGE,
} from '../../core/netlink/route-message.ts';
import { requestFailure } from './kernel-failure.ts';
import { createNetlinkClient, type NetlinkClient } from './netlink-client.ts';
import { NETLINK_PROTOCOL } from './netlink-socket.ts';

/** A change of routes; the others are of the IPVS table. */
export type RouteChange = Extract<KernelChange, { readonly kind: 'set-route' | 'delete-route' }>;

/** Errors of a look-up that mean that there is no route. */
const NO_ROUTE: readonly number[] = [
  ERRNO.ENETUNREACH,
  ERRNO.EHOSTUNREACH,
  ERRNO.ESRCH,
  ERRNO.EAFNOSUPPORT,
  ERRNO.EACCES,
  ERRNO.EINVAL,
  ERRNO.EADDRNOTAVAIL,
];

/**
 * The dummy interface and the local routes on it, over rtnetlink. All methods reject with
 * `DaemonError` kernel-permission, kernel-timeout or kernel-failed.
 */
export class RouteClient {
  readonly #client: NetlinkClient;
  readonly #interface: string;

  constructor(name: string, timeoutMs: number) {
    this.#client = createNetlinkClient(NETLINK_PROTOCOL.ROUTE, timeoutMs);
    this.#interface = name;
  }

  /** Our interface; null if there is none. One of that name that is no dummy is not ours. */
  async findInterface(): Promise<Link | null> {
    const { errno, bodies } = await this.#client.ask({
      type: LINK_MESSAGE.GET,
      flags: 0,
      body: encodeLinkName(this.#interface),
    });
    if (errno === ERRNO.ENODEV) return null;
    if (errno !== 0) throw requestFailure(`look for the interface ${this.#interface}`, errno);
    const link = bodies[0] === undefined ? null : decodeLink(bodies[0]);
    if (link?.kind === 'dummy') return link;
    throw new DaemonError(
      'kernel-failed',
      `the interface ${this.#interface} exists and is no dummy: set kernel.interface to a free name`,
    );
  }

  /** Makes the interface if there is none, and sets it up; its index. */
  async ensureInterface(): Promise<number> {
    const found = await this.findInterface();
    if (found === null) await this.#makeInterface();
    else if (!found.isUp) await this.#setUp(found.index);
    const link = found ?? (await this.findInterface());
    if (link !== null) return link.index;
    throw new DaemonError('kernel-failed', `the interface ${this.#interface} went away again`);
  }

  /** Deletes the interface, and with it all routes on it. */
  async removeInterface(): Promise<void> {
    const link = await this.findInterface();
    if (link === null) return;
    const body = encodeLinkName(this.#interface);
    const [errno = 0] = await this.#client.change([{ type: LINK_MESSAGE.DELETE, flags: 0, body }]);
    if (errno !== 0 && errno !== ERRNO.ENODEV) {
      throw requestFailure(`delete the interface ${this.#interface}`, errno);
    }
  }

  /**
   * Source address by address, of the local routes on our interface. None while the interface is
   * down, as the kernel drops those of IPv6 then and does not use the others.
   */
  async routes(): Promise<ReadonlyMap<string, string | null>> {
    const routes = new Map<string, string | null>();
    const link = await this.findInterface();
    if (link?.isUp !== true) return routes;
    const body = encodeRouteDump();
    const reply = await this.#client.dump({ type: ROUTE_MESSAGE.GET, flags: 0, body });
    if (reply.errno !== 0) throw requestFailure('list the routes', reply.errno);
    for (const message of reply.bodies) {
      const route = decodeLocalRoute(message);
      if (route?.link === link.index) routes.set(route.address, route.source);
    }
    return routes;
  }

  /** Makes changes in their order; error number of each, 0 for done. */
  async change(changes: readonly RouteChange[]): Promise<readonly number[]> {
    const index = changes.some(({ kind }) => kind === 'set-route')
      ? await this.ensureInterface()
      : ((await this.findInterface())?.index ?? null);
    // Without the interface there are no routes to delete.
    if (index === null) return changes.map(() => 0);
    return this.#client.change(changes.map((change) => routeRequest(change, index)));
  }

  /** Source address of packets to an address; null if there is no route. */
  async sourceAddress(towards: IpAddress): Promise<string | null> {
    const body = encodeRouteLookup(towards);
    const reply = await this.#client.ask({ type: ROUTE_MESSAGE.GET, flags: 0, body });
    if (NO_ROUTE.includes(reply.errno)) return null;
    if (reply.errno !== 0) throw requestFailure('look up a route', reply.errno);
    return reply.bodies[0] === undefined ? null : decodeRouteSource(reply.bodies[0]);
  }

  close(): void {
    this.#client.close();
  }

  async #makeInterface(): Promise<void> {
    const flags = MESSAGE_FLAG.CREATE | MESSAGE_FLAG.EXCLUSIVE;
    const body = encodeDummy(this.#interface);
    const [errno = 0] = await this.#client.change([{ type: LINK_MESSAGE.NEW, flags, body }]);
    if (errno === ERRNO.EOPNOTSUPP) {
      throw new DaemonError(
        'kernel-module',
        'the kernel has no dummy interfaces; load them with "modprobe dummy"',
      );
    }
    if (errno !== 0 && errno !== ERRNO.EEXIST) {
      throw requestFailure(`make the interface ${this.#interface}`, errno);
    }
  }

  async #setUp(index: number): Promise<void> {
    const body = encodeLinkUp(index);
    const [errno = 0] = await this.#client.change([{ type: LINK_MESSAGE.NEW, flags: 0, body }]);
    if (errno !== 0 && errno !== ERRNO.ENODEV) {
      throw requestFailure(`set the interface ${this.#interface} up`, errno);
    }
  }
}

function routeRequest(change: RouteChange, index: number): NetlinkRequest {
  const address = addressOf(change.address);
  if (change.kind === 'delete-route') {
    return { type: ROUTE_MESSAGE.DELETE, flags: 0, body: encodeLocalRouteKey(address, index) };
  }
  return {
    type: ROUTE_MESSAGE.NEW,
    flags: MESSAGE_FLAG.CREATE | MESSAGE_FLAG.REPLACE,
    body: encodeLocalRoute(address, index, addressOf(change.source)),
  };
}

function addressOf(text: string): IpAddress {
  const address = parseIpAddress(text);
  assert(address !== null, 'addresses in a plan are canonical');
  return address;
}
