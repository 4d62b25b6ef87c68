import type { IpvsChange } from '../../core/ipvs/ipvs-message.ts';
import { isCatchAll, type KernelChange } from '../../core/ipvs/plan.ts';
import { ERRNO } from '../../core/netlink/errno.ts';
import type { ChangeFailure } from '../../core/ports.ts';
import type { IpvsClient } from './ipvs-client.ts';
import { changeFailureMessage, errnoName, permissionFailure } from './kernel-failure.ts';
import { BATCH_MAX } from './netlink-socket.ts';
import type { RouteChange, RouteClient } from './route-client.ts';

/** What changes are made with. */
export interface ChangeClients {
  readonly ipvs: Pick<IpvsClient, 'change'>;
  readonly routes: Pick<RouteClient, 'change'>;
}

/** What became of a route that waits for the catch-all services of its address. */
const UNSAFE_ROUTE = 'without its catch-all services the VIP would lead to daemons of this node';

/**
 * Makes changes in their order and returns those that the kernel refused. What is already as it
 * should be is no failure: lists of the kernel may be out of date when a plan is made from them.
 * The route of a VIP whose catch-all services were refused is not set, and a failure too.
 * Rejects as the clients do, and with kernel-permission.
 */
export async function runChanges(
  changes: readonly KernelChange[],
  { ipvs, routes }: ChangeClients,
): Promise<readonly ChangeFailure[]> {
  const failures: ChangeFailure[] = [];
  /** Errors of catch-all services that could not be made, by address. */
  const open = new Map<string, number>();
  const fail = (change: KernelChange, errno: number): void => {
    if (errno === ERRNO.EPERM) throw permissionFailure();
    const message = changeFailureMessage(change, errno);
    failures.push({ change, errno: errnoName(errno), message });
    if (change.kind === 'add-service' && isCatchAll(change.service)) {
      open.set(change.service.address, errno);
    }
  };
  for (const run of runsOf(changes)) {
    if (!run.isRoutes) {
      const errnos = await changeTable(run.changes, ipvs);
      for (const [i, change] of run.changes.entries()) if (errnos[i]) fail(change, errnos[i]);
      continue;
    }
    const safe: RouteChange[] = [];
    for (const change of run.changes) {
      const errno = change.kind === 'set-route' ? open.get(change.address) : undefined;
      if (errno === undefined) safe.push(change);
      else failures.push({ change, errno: errnoName(errno), message: UNSAFE_ROUTE });
    }
    const errnos = safe.length === 0 ? [] : await changeRoutes(safe, routes);
    for (const [i, change] of safe.entries()) if (errnos[i]) fail(change, errnos[i]);
  }
  return failures;
}

/** Changes that are sent together. */
type Run =
  | { readonly isRoutes: true; readonly changes: readonly RouteChange[] }
  | { readonly isRoutes: false; readonly changes: readonly IpvsChange[] };

/**
 * The changes in their order but for one thing: a plan sets the route of a VIP behind what it needs
 * of the IPVS table, VIP by VIP, and to send each by itself would take most of the time. So
 * additions overtake routes that are set, up to a number of routes: their VIPs wait for no longer.
 */
function runsOf(changes: readonly KernelChange[]): readonly Run[] {
  const runs: Run[] = [];
  let table: IpvsChange[] = [];
  let routes: RouteChange[] = [];
  let mayOvertake = true;
  const flush = (): void => {
    if (table.length > 0) runs.push({ isRoutes: false, changes: table });
    if (routes.length > 0) runs.push({ isRoutes: true, changes: routes });
    table = [];
    routes = [];
    mayOvertake = true;
  };
  for (const change of changes) {
    if (change.kind === 'set-route' || change.kind === 'delete-route') {
      routes.push(change);
      mayOvertake &&= change.kind === 'set-route';
      if (routes.length === BATCH_MAX) flush();
      continue;
    }
    const isDeletion = change.kind === 'delete-service' || change.kind === 'delete-destination';
    if (routes.length > 0 && (isDeletion || !mayOvertake)) flush();
    table.push(change);
  }
  flush();
  return runs;
}

async function changeTable(
  changes: readonly IpvsChange[],
  ipvs: ChangeClients['ipvs'],
): Promise<readonly number[]> {
  const errnos = (await ipvs.change(changes)).map((errno, i) =>
    isGone(changes[i], errno) ? 0 : errno,
  );
  const edits = changes.flatMap((change, i) => {
    const edit = errnos[i] === ERRNO.EEXIST ? asEdit(change) : null;
    return edit === null ? [] : [{ i, edit }];
  });
  if (edits.length === 0) return errnos;
  const edited = await ipvs.change(edits.map(({ edit }) => edit));
  for (const [at, { i }] of edits.entries()) errnos[i] = edited[at] ?? 0;
  return errnos;
}

async function changeRoutes(
  changes: readonly RouteChange[],
  routes: ChangeClients['routes'],
): Promise<readonly number[]> {
  const errnos = (await routes.change(changes)).map((errno, i) =>
    changes[i]?.kind === 'delete-route' && isAbsence(errno) ? 0 : errno,
  );
  // The interface went away or down meanwhile: the client looks after it at each call.
  const lost = changes
    .map((change, i) => ({ i, change }))
    .filter(({ i }) => errnos[i] === ERRNO.ENODEV || errnos[i] === ERRNO.ENETDOWN);
  if (lost.length === 0) return errnos;
  const again = await routes.change(lost.map(({ change }) => change));
  for (const [at, { i }] of lost.entries()) errnos[i] = again[at] ?? 0;
  return errnos;
}

function isGone(change: IpvsChange | undefined, errno: number): boolean {
  return (
    (change?.kind === 'delete-service' || change?.kind === 'delete-destination') && isAbsence(errno)
  );
}

/** ENOENT is said of destinations, ESRCH of services and routes, ENODEV of interfaces. */
function isAbsence(errno: number): boolean {
  return errno === ERRNO.ENOENT || errno === ERRNO.ESRCH || errno === ERRNO.ENODEV;
}

function asEdit(change: IpvsChange): IpvsChange | null {
  if (change.kind === 'add-service') return { ...change, kind: 'edit-service' };
  return change.kind === 'add-destination' ? { ...change, kind: 'edit-destination' } : null;
}
