import { PROTOCOLS } from '../../core/ipvs/table.ts';
import {
  boolean,
  count,
  exactly,
  listOf,
  port,
  reference,
  some,
  string,
  stringOrNull,
  strings,
} from './json-schema.ts';
import type { JsonSchema } from './route.ts';

/** The backends of one port of a VIP. */
export const BACKENDS: JsonSchema = listOf(
  exactly({
    ip: string,
    port,
    weight: count,
    healthy: boolean,
    state: { type: 'string', enum: ['running', 'killing'] },
    taskId: string,
    agent: string,
  }),
);

function changeOf(value: string, difference: readonly string[]): JsonSchema {
  const properties = {
    change: { type: 'string', enum: ['added', 'changed', 'removed'] },
    name: string,
    value: { anyOf: [reference(value), { type: 'null' }] },
    difference: some(Object.fromEntries(difference.map((name) => [name, strings]))),
  };
  const required = ['change', 'name', 'value'];
  return { type: 'object', properties, required, additionalProperties: false };
}

/** What events of `/v1/watch` have; members are the shapes of `core/views/watch-states.ts`. */
export const WATCH_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ServiceState: exactly({
    name: string,
    fqdn: string,
    endpoints: listOf(
      exactly({
        taskId: string,
        agent: string,
        addresses: strings,
        agentAddresses: strings,
        ports: listOf(
          exactly({
            name: string,
            protocols: strings,
            port,
            on: { type: 'string', enum: ['task', 'agent'] },
          }),
        ),
        healthy: boolean,
        state: { type: 'string', enum: ['running', 'killing'] },
      }),
    ),
  }),
  VipState: exactly({
    identity: string,
    name: stringOrNull,
    fqdn: stringOrNull,
    addresses: listOf(exactly({ address: string, programmed: { type: ['boolean', 'null'] } })),
    ports: listOf(
      exactly({
        protocol: { type: 'string', enum: PROTOCOLS },
        port,
        scheduler: string,
        persistenceSeconds: { type: 'number', minimum: 0 },
        backend: BACKENDS,
      }),
    ),
  }),
  ServiceChange: changeOf('ServiceState', [
    'endpointsAdded',
    'endpointsRemoved',
    'healthChanged',
    'stateChanged',
    'placeChanged',
  ]),
  VipChange: changeOf('VipState', [
    'addressesAdded',
    'addressesRemoved',
    'programmedChanged',
    'portsAdded',
    'portsRemoved',
    'settingsChanged',
    'backendsAdded',
    'backendsRemoved',
    'weightChanged',
    'healthChanged',
    'stateChanged',
    'taskChanged',
  ]),
};
