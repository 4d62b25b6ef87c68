import type { IpAddress } from '../base/address.ts';
import type { Json } from '../config/json-text.ts';
import type { Protocol } from '../ipvs/table.ts';
import type { PortLabel } from '../mesos/snapshot.ts';

/** A service of the services file: something outside of Mesos that has names like a task. */
export interface StaticService {
  /** Where in the file, such as `services[3]`. */
  readonly path: string;
  /** Lower case, as `<name>` in `<name>.<framework>.<domain>`; may have dots. */
  readonly name: string;
  readonly framework: string;
  readonly endpoints: readonly StaticEndpoint[];
}

/** One machine, container or other thing that serves. */
export interface StaticEndpoint {
  readonly path: string;
  /** An address, or a name in lower case that is looked up. */
  readonly place: IpAddress | string;
  readonly ports: readonly StaticPort[];
  readonly healthy: boolean;
}

export interface StaticPort {
  /** '' without one. */
  readonly name: string;
  readonly number: number;
  readonly protocol: Protocol;
  /** Labels `VIP…` and `HOPLITE_…`, as ports of tasks have them. */
  readonly labels: readonly PortLabel[];
}

/** `STATIC_FRAMEWORK` stands in names where nothing else is asked for. */
export const STATIC_FRAMEWORK = 'static';

/** The address or name of an endpoint as text. */
export function placeText({ place }: Pick<StaticEndpoint, 'place'>): string {
  return typeof place === 'string' ? place : place.text;
}

/** The services as a file that means the same, with nothing left to defaults. */
export function servicesJson(services: readonly StaticService[]): Json {
  return {
    services: services.map(({ name, framework, endpoints }) => ({
      name,
      framework,
      endpoints: endpoints.map((endpoint) => ({
        [typeof endpoint.place === 'string' ? 'host' : 'address']: placeText(endpoint),
        ports: endpoint.ports.map(portJson),
        healthy: endpoint.healthy,
      })),
    })),
  };
}

function portJson({ name, number, protocol, labels }: StaticPort): Json {
  return {
    ...(name === '' ? {} : { name }),
    number,
    protocol,
    ...(labels.length === 0
      ? {}
      : { labels: Object.fromEntries(labels.map(({ key, value }) => [key, value])) }),
  };
}
