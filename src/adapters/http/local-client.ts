import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback, parseIpAddress } from '../../core/base/address.ts';

/**
 * Headers that proxies and browsers add: behind the first may be anybody, behind the second a page
 * from anywhere. Neither lets a page or a client choose to leave them out.
 */
const PASSED_ON = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip', 'origin', 'sec-fetch-site'];

function isLoopbackText(address: string): boolean {
  const parsed = parseIpAddress(address);
  return parsed !== null && isLoopback(parsed);
}

/** Whether `Host` names this node's loopback; a name that leads there may be anybody's. */
function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
  return /^localhost\.?$/i.test(name) || isLoopbackText(name);
}

/**
 * Whether a program of this node asks by itself: from a loopback address, for one, and without a
 * proxy or a browser in between, which would lend its address to others.
 */
export function isLocalClient(client: string, headers: IncomingHttpHeaders): boolean {
  if (!isLoopbackText(client)) return false;
  if (PASSED_ON.some((name) => headers[name] !== undefined)) return false;
  return headers.host === undefined || isLoopbackHost(headers.host);
}
