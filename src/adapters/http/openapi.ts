import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { Route, RouteResponse } from './route.ts';
import { NAMED_SCHEMAS } from './schemas.ts';

function responseSchema({ description, contentType, schema }: RouteResponse): unknown {
  return { description, content: { [contentType]: { schema } } };
}

/** A route in the form that fastify and its OpenAPI generator read. */
export function fastifySchema(route: Route): Record<string, unknown> {
  const parameters = Object.entries(route.parameters);
  const query = Object.entries(route.query ?? {});
  const responses = Object.entries(route.responses);
  return {
    summary: route.summary,
    operationId: operationId(route),
    tags: [route.dialect],
    ...(parameters.length > 0 && {
      params: {
        type: 'object',
        properties: Object.fromEntries(
          parameters.map(([name, description]) => [name, { type: 'string', description }]),
        ),
      },
    }),
    ...(query.length > 0 && {
      querystring: {
        type: 'object',
        properties: Object.fromEntries(
          query.map(([name, { description, schema }]) => [name, { ...schema, description }]),
        ),
        required: query.filter(([, { required }]) => required).map(([name]) => name),
      },
    }),
    response: Object.fromEntries(
      responses.map(([status, response]) => [status, responseSchema(response)]),
    ),
  };
}

/** GET of `/v1/hosts/:host/ports` becomes `getV1HostsHostPorts`. */
function operationId({ method, path }: Route): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return `${method.toLowerCase()}${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('') || 'Index'}`;
}

/** Makes `app.swagger()` describe the routes that are added after this. */
export function registerOpenApi(app: FastifyInstance, version: string): void {
  for (const [$id, schema] of Object.entries(NAMED_SCHEMAS)) app.addSchema({ $id, ...schema });
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'hoplite',
        version,
        description:
          'Names of the services of a Mesos cluster. Routes tagged `mesos-dns` have the shapes of ' +
          'Mesos-DNS. What answers GET also answers HEAD, and every path OPTIONS; other methods ' +
          'get 405.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'mesos-dns', description: 'Compatible with Mesos-DNS.' },
        { name: 'hoplite', description: 'Routes of our own, and of dcos-net.' },
      ],
    },
    refResolver: {
      buildLocalReference: (schema, _base, _fragment, index) =>
        typeof schema['$id'] === 'string' ? schema['$id'] : `Schema${index}`,
    },
  });
}
