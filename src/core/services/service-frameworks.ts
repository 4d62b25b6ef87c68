import type { IpAddress } from '../base/address.ts';
import { RejectionList } from '../base/rejection.ts';
import { sameValue } from '../base/same-value.ts';
import type { HostAddresses } from '../catalog/catalog.ts';
import type { ConfigProblem } from '../config/config.ts';
import type { ClusterSnapshot, Framework, Task, TaskContainer } from '../mesos/snapshot.ts';
import { placeText, type StaticEndpoint, type StaticService } from './static-service.ts';

/** Of no use to a machine. */
const CONTAINER: TaskContainer = {
  dockerNetwork: '',
  isNamed: true,
  portMappings: [],
  hasHealthCheck: false,
};

/** Host names of endpoints, which have to be looked up before these can be published; sorted. */
export function serviceHosts(services: readonly StaticService[]): string[] {
  const hosts = new Set<string>();
  for (const { endpoints } of services) {
    for (const { place } of endpoints) if (typeof place === 'string') hosts.add(place);
  }
  return [...hosts].sort();
}

/** Lists what a services file lost, with the message as the value. */
export function rejectServices(
  problems: readonly ConfigProblem[],
  rejections: RejectionList,
): void {
  for (const { severity, path, message } of problems) {
    if (severity === 'error') rejections.add(path || 'services', 'service-malformed', message);
  }
}

/**
 * The snapshot with static services as further frameworks behind its own: one that a framework of
 * Mesos shares a name with adds to its names.
 */
export function withServices(
  snapshot: ClusterSnapshot,
  frameworks: readonly Framework[],
): ClusterSnapshot {
  if (frameworks.length === 0) return snapshot;
  return {
    ...snapshot,
    frameworks: [...snapshot.frameworks, ...frameworks],
    taskCount: frameworks.reduce((sum, { tasks }) => sum + tasks.length, snapshot.taskCount),
  };
}

/**
 * Makes frameworks of static services, with a task for each endpoint. What did not change since the
 * last time stays the object that it was, since another object counts as another version of a task.
 */
export class ServiceFrameworks {
  #services: readonly StaticService[] = [];
  #addresses: readonly (readonly IpAddress[])[] = [];
  #frameworks: readonly Framework[] = [];
  #rejections = new RejectionList();

  /** Endpoints whose host has no address (`host-unknown`) are left out. */
  of(
    services: readonly StaticService[],
    hosts: HostAddresses,
    rejections: RejectionList,
  ): readonly Framework[] {
    const addresses = serviceHosts(services).map((host) => hosts.get(host) ?? []);
    if (services !== this.#services || !sameValue(addresses, this.#addresses)) {
      this.#services = services;
      this.#addresses = addresses;
      this.#rejections = new RejectionList();
      this.#frameworks = this.#make(hosts);
    }
    rejections.addAll(this.#rejections);
    return this.#frameworks;
  }

  #make(hosts: HostAddresses): readonly Framework[] {
    const before = new Map(this.#frameworks.map((framework) => [framework.name, framework]));
    const tasks = new Map<string, Task[]>();
    const known = new Map<string, Task>();
    for (const framework of before.values()) {
      for (const task of framework.tasks) known.set(task.id, task);
    }
    for (const service of this.#services) {
      let list = tasks.get(service.framework);
      if (list === undefined) tasks.set(service.framework, (list = []));
      for (const endpoint of service.endpoints) {
        const task = this.#task(service, endpoint, hosts);
        if (task === null) continue;
        const old = known.get(task.id);
        list.push(old?.path === task.path && sameValue(old, task) ? old : task);
      }
    }
    return [...tasks].map(([name, list]) => {
      const old = before.get(name);
      const isSame =
        old?.tasks.length === list.length && list.every((task, i) => task === old.tasks[i]);
      return old !== undefined && isSame ? old : frameworkOf(name, list);
    });
  }

  #task(service: StaticService, endpoint: StaticEndpoint, hosts: HostAddresses): Task | null {
    const { path, place, healthy } = endpoint;
    const addresses = typeof place === 'string' ? (hosts.get(place) ?? []) : [place];
    if (addresses.length === 0) {
      this.#rejections.add(`${path}.host`, 'host-unknown', placeText(endpoint));
      return null;
    }
    const ports = endpoint.ports.map((port, index) => ({ ...port, scope: null, index }));
    return {
      path,
      phase: 'running',
      id: endpointId(service, endpoint),
      name: service.name,
      agentId: '',
      hostPorts: [],
      discovery: { name: service.name, ports },
      discoveryPorts: ports,
      vipPortLabels: [],
      isDocker: false,
      container: CONTAINER,
      networkAddresses: addresses,
      dockerAddresses: [],
      mesosAddresses: [],
      network: 'container',
      portMappings: [],
      healthy,
    };
  }
}

/** Such as `db.static@10.9.0.5:5432`: the same as long as the endpoint is. */
function endpointId({ name, framework }: StaticService, endpoint: StaticEndpoint): string {
  const ports = endpoint.ports.map(({ number, protocol }) =>
    protocol === 'tcp' ? String(number) : `${number}/${protocol}`,
  );
  const place = placeText(endpoint);
  const at = place.includes(':') ? `[${place}]` : place;
  return `${name}.${framework}@${at}${ports.length === 0 ? '' : `:${ports.join(',')}`}`;
}

function frameworkOf(name: string, tasks: readonly Task[]): Framework {
  return {
    path: 'services',
    // No id of Mesos has a slash in it.
    id: `services/${name}`,
    name,
    endpoint: null,
    hostname: '',
    active: true,
    isStatic: true,
    tasks,
    killing: [],
    pending: [],
  };
}
