import type { ApiSource } from '../../core/ports.ts';
import { withEtag } from './etag.ts';
import { jsonError } from './reply.ts';
import type { ApiReply } from './reply.ts';
import type { Api, Route, RouteResponse } from './route.ts';
import { jsonOf } from './schemas.ts';
import { NO_VIEW, viewReply } from './view-reply.ts';

const NO_KERNEL: RouteResponse = jsonOf('hoplite leaves the kernel of this node alone.', 'Error');

/**
 * A view from the kernel process. Where hoplite is told to leave the kernel alone there is no such
 * thing, and asking again will not help: 404, while 503 means that the process is away for now.
 */
async function kernelView(api: Api, kind: 'ipvs' | 'ipvs-plan'): Promise<ApiReply> {
  const { kernel, vip } = api.source.config();
  if (kernel.enabled && vip.enabled) return viewReply(api, { kind });
  const setting = kernel.enabled ? 'vip.enabled' : 'kernel.enabled';
  return jsonError(
    404,
    'kernel-off',
    `${setting} is false: hoplite programs no VIPs on this node; set it to true to see them here`,
  );
}

/** VIPs tell names and tasks as the other lists do, and are turned off with them. */
const enumerationIsOn = (source: ApiSource): boolean => source.config().http.enumeration;

async function vips(api: Api): Promise<ApiReply> {
  const reply = await viewReply(api, { kind: 'vips' });
  return reply.status === 200 ? withEtag(reply) : reply;
}

/** VIPs, and how the kernel of this node balances them. */
export const VIP_ROUTES: readonly Route[] = [
  {
    path: '/v1/vips',
    method: 'GET',
    summary: 'Every VIP with its backends, as dcos-net lists them and more. Can be turned off.',
    dialect: 'hoplite',
    parameters: {},
    responses: {
      200: jsonOf(
        'One entry for each address and port. `ETag` tells whether it changed.',
        'Vip',
        'list',
      ),
      503: NO_VIEW,
    },
    exists: enumerationIsOn,
    handle: vips,
  },
  {
    path: '/v1/ipvs',
    method: 'GET',
    summary: 'The IPVS table of this node as the kernel has it, with counters and drift.',
    dialect: 'hoplite',
    parameters: {},
    responses: { 200: jsonOf('The table.', 'IpvsTable'), 404: NO_KERNEL, 503: NO_VIEW },
    handle: (api) => kernelView(api, 'ipvs'),
  },
  {
    path: '/v1/ipvs/plan',
    method: 'GET',
    summary: 'What would be changed now to make the kernel right; empty when all is well.',
    dialect: 'hoplite',
    parameters: {},
    responses: { 200: jsonOf('The changes.', 'IpvsPlan'), 404: NO_KERNEL, 503: NO_VIEW },
    handle: (api) => kernelView(api, 'ipvs-plan'),
  },
];
