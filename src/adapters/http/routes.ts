import { MESOS_DNS_ROUTES } from './mesos-dns-routes.ts';
import { OWN_ROUTES, indexRoute } from './own-routes.ts';
import { QUERY_ROUTES } from './query-routes.ts';
import type { Route } from './route.ts';
import { VIP_ROUTES } from './vip-routes.ts';
import { WATCH_ROUTE } from './watch-route.ts';

const LISTED: readonly Route[] = [
  ...MESOS_DNS_ROUTES,
  ...VIP_ROUTES,
  WATCH_ROUTE,
  ...QUERY_ROUTES,
  ...OWN_ROUTES,
];

/** Every route of the API: the one table that the server, the OpenAPI document and docs read. */
export const ROUTES: readonly Route[] = [...LISTED, indexRoute(LISTED)];
