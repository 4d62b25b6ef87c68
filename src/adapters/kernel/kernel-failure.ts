import { getSystemErrorName } from 'node:util';
import { DaemonError } from '../../core/base/daemon-error.ts';
import type { KernelChange } from '../../core/ipvs/plan.ts';
import { ERRNO } from '../../core/netlink/errno.ts';

/** Symbol of an error number, such as `EPERM`. */
export function errnoName(errno: number): string {
  return getSystemErrorName(-errno);
}

/** What a request that failed as a whole means; `what` completes "cannot …". */
export function requestFailure(what: string, errno: number): DaemonError {
  if (errno === ERRNO.EPERM) return permissionFailure();
  return new DaemonError('kernel-failed', `cannot ${what}: ${errnoName(errno)}`);
}

/** The kernel has no IPVS, and could not load it by itself. */
export function moduleFailure(): DaemonError {
  return new DaemonError(
    'kernel-module',
    'the kernel has no IPVS; load it with "modprobe ip_vs" or set kernel.enabled to false',
  );
}

/** The process may not change the network. */
export function permissionFailure(): DaemonError {
  return new DaemonError(
    'kernel-permission',
    'the process needs CAP_NET_ADMIN in the host user namespace: grant it ' +
      '(AmbientCapabilities=CAP_NET_ADMIN, or --cap-add NET_ADMIN with the host network) ' +
      'or set kernel.enabled to false',
  );
}

/** What the refusal of a change means and what to do about it. */
export function changeFailureMessage(change: KernelChange, errno: number): string {
  const name = errnoName(errno);
  switch (change.kind) {
    case 'add-service':
    case 'edit-service':
      if (errno === ERRNO.ENOENT) {
        const { scheduler } = change.service;
        return `the kernel has no IPVS scheduler ${scheduler}: load the module ip_vs_${scheduler}`;
      }
      return errno === ERRNO.ESRCH ? 'the service is gone' : `the kernel refused it: ${name}`;
    case 'add-destination':
    case 'edit-destination':
      if (errno === ERRNO.ESRCH) return 'its service is not there';
      if (errno === ERRNO.ENOENT) return 'the destination is gone';
      return `the kernel refused it: ${name}`;
    case 'set-route':
    case 'delete-route':
      return routeFailureMessage(change, errno);
    default:
      return `the kernel refused it: ${name}`;
  }
}

function routeFailureMessage(
  change: Extract<KernelChange, { readonly kind: 'set-route' | 'delete-route' }>,
  errno: number,
): string {
  if (change.address.includes(':') && errno === ERRNO.EACCES) {
    return 'IPv6 is disabled on the interface: see net.ipv6.conf.all.disable_ipv6';
  }
  if (change.kind === 'set-route' && errno === ERRNO.EINVAL) {
    return `the source address ${change.source} is not an address of this node`;
  }
  return `the kernel refused the route: ${errnoName(errno)}`;
}
