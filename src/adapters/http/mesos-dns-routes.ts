import { isSecretName } from '../../core/base/secret-name.ts';
import type { ApiSource, HostAnswer } from '../../core/ports.ts';
import { json, jsonText, text } from './reply.ts';
import type { ApiReply } from './reply.ts';
import type { Api, Route } from './route.ts';
import { anyJson, jsonOf, textOf } from './schemas.ts';
import { NO_VIEW, viewReply } from './view-reply.ts';

/**
 * The HTTP API of Mesos-DNS in its shapes (mesos-dns resolver/resolver.go), and the one route of
 * dcos-net that lists records. Scripts and load balancers in the field read these.
 */

const MASK = '********';

/** Mesos-DNS shows the master's password here (H01); whoever renders the view, we do not. */
function withoutSecrets(name: string, value: unknown): unknown {
  if (!isSecretName(name)) return value;
  return value === null || value === '' || typeof value === 'boolean' ? value : MASK;
}

/** Mesos-DNS' list for "nothing found" has one object of empty texts; clients count on it (H03). */
const NO_HOST: readonly HostAnswer[] = [{ host: '', ip: '' }];
const NO_SERVICE = [{ service: '', host: '', ip: '', port: '' }];

type PathParameters = Readonly<Record<string, string>>;

function hosts(api: Api, { host = '' }: PathParameters): ApiReply {
  const answers = host === '' ? [] : api.source.hosts(host);
  return json(answers.length === 0 ? NO_HOST : answers);
}

/** Lists every address of every target (H11), under the name as it was asked for. */
function services(api: Api, { service = '' }: PathParameters): ApiReply {
  const answers = service === '' ? [] : api.source.services(service);
  if (answers.length === 0) return json(NO_SERVICE);
  return json(answers.map(({ host, ip, port }) => ({ service, host, ip, port: String(port) })));
}

const enumerationIsOn = (source: ApiSource): boolean => source.config().http.enumeration;

/** Routes of Mesos-DNS, and `/v1/records` of dcos-net. */
export const MESOS_DNS_ROUTES: readonly Route[] = [
  {
    path: '/v1/version',
    method: 'GET',
    summary: 'Name and version of the service, under the name that clients of Mesos-DNS expect.',
    dialect: 'mesos-dns',
    parameters: {},
    responses: { 200: jsonOf('The version of hoplite.', 'Version') },
    handle: (api) =>
      json({
        Service: 'Mesos-DNS',
        URL: 'https://github.com/mesosphere/mesos-dns',
        Version: api.version,
      }),
  },
  {
    path: '/v1/config',
    method: 'GET',
    summary: 'The effective configuration, without secrets.',
    dialect: 'mesos-dns',
    parameters: {},
    responses: { 200: anyJson('The configuration.') },
    handle: (api) => jsonText(`${JSON.stringify(api.configView(), withoutSecrets, 1)}\n`),
  },
  {
    path: '/v1/hosts/:host',
    method: 'GET',
    summary: 'Every address of a name.',
    dialect: 'mesos-dns',
    parameters: { host: 'A name, with or without its final dot, such as `web.marathon.mesos`.' },
    responses: {
      200: jsonOf(
        'IPv4, then IPv6; one entry of empty texts when there is none.',
        'HostAnswer',
        'list',
      ),
    },
    handle: hosts,
  },
  {
    path: '/v1/hosts/:host/ports',
    method: 'GET',
    summary: 'Not implemented, as in Mesos-DNS.',
    dialect: 'mesos-dns',
    parameters: { host: 'A name.' },
    responses: { 501: textOf('Always.') },
    handle: () => text('To be implemented...', 501),
  },
  {
    path: '/v1/services/:service',
    method: 'GET',
    summary: 'Every address and port of an SRV name.',
    dialect: 'mesos-dns',
    parameters: { service: 'An SRV name, such as `_web._tcp.marathon.mesos.`.' },
    responses: {
      200: jsonOf(
        'One entry for each address of each target; one of empty texts when there is none.',
        'ServiceAnswer',
        'list',
      ),
    },
    handle: services,
  },
  {
    path: '/v1/enumerate',
    method: 'GET',
    summary: 'Every framework, its tasks and their records. Can be turned off.',
    dialect: 'mesos-dns',
    parameters: {},
    responses: { 200: jsonOf('The records by framework and task.', 'Enumeration'), 503: NO_VIEW },
    exists: enumerationIsOn,
    handle: (api) => viewReply(api, { kind: 'enumerate' }),
  },
  {
    path: '/v1/axfr',
    method: 'GET',
    summary: 'The whole zone. Can be turned off.',
    dialect: 'mesos-dns',
    parameters: {},
    responses: { 200: jsonOf('The zone.', 'Axfr'), 503: NO_VIEW },
    exists: enumerationIsOn,
    handle: (api) => viewReply(api, { kind: 'axfr' }),
  },
  {
    path: '/v1/records',
    method: 'GET',
    summary: 'Every A, AAAA and SRV record, as dcos-net lists them. Can be turned off.',
    dialect: 'hoplite',
    exists: enumerationIsOn,
    parameters: {},
    responses: { 200: jsonOf('The records.', 'Record', 'list'), 503: NO_VIEW },
    handle: (api) => viewReply(api, { kind: 'records' }),
  },
];
