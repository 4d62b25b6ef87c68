import { parseIpAddress } from '../../core/base/address.ts';
import { assert } from '../../core/base/assert.ts';
import { serviceKey } from '../../core/ipvs/table.ts';
import { isLinkName } from '../../core/netlink/link-message.ts';
import type { Kernel, TrafficCounters } from '../../core/ports.ts';
import { runChanges } from './change-runner.ts';
import { IpvsClient } from './ipvs-client.ts';
import { RouteClient } from './route-client.ts';
import { setSnatRules } from './snat.ts';
import { applySysctls } from './sysctls.ts';
import { TableObserver } from './table-observer.ts';

export interface KernelOptions {
  /** Dummy interface that carries the routes of VIPs. */
  readonly interface: string;
  /** For one answer of the kernel. */
  readonly timeoutMs?: number;
}

/**
 * The kernel answers a request within a millisecond, a list of 10,000 services within a second. Who
 * waits so long gets no answer any more.
 */
const TIMEOUT_MS = 5000;

/**
 * The kernel of this node, in the network namespace of this process. The native part of netlink
 * aborts the process when it fails: to be used in a process that may.
 */
export function openKernel(options: KernelOptions): Kernel {
  assert(isLinkName(options.interface), 'the configuration has the name of an interface');
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const ipvs = new IpvsClient(timeoutMs);
  const routes = new RouteClient(options.interface, timeoutMs);
  const observer = new TableObserver(ipvs);
  let forwards = false;
  return {
    async prepare() {
      await ipvs.prepare();
      await routes.ensureInterface();
    },
    async observe(exact = []) {
      return { services: await observer.observe(exact), routes: await routes.routes() };
    },
    apply: (changes) => runChanges(changes, { ipvs, routes }),
    async sourceAddress(towards) {
      const address = parseIpAddress(towards);
      return address === null ? null : routes.sourceAddress(address);
    },
    async counters() {
      const counters = new Map<string, TrafficCounters>();
      for (const service of await ipvs.services()) {
        if (service.id !== null) counters.set(serviceKey(service.id), service.counters);
      }
      return counters;
    },
    sysctls: (mode) => applySysctls({ mode, forwards }),
    async setSnat(prefixes) {
      forwards = prefixes !== null;
      await setSnatRules(prefixes);
    },
    removeInterface: () => routes.removeInterface(),
    close() {
      ipvs.close();
      routes.close();
    },
  };
}
