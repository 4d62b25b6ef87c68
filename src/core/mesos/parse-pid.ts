import { parseHostPort } from '../base/host-port.ts';
import type { HostPort } from '../config/config.ts';

/**
 * Address part of a libprocess id such as `slave(1)@10.0.0.1:5051`, or null: exactly one `@`, then
 * host and port (3rdparty/libprocess/include/process/pid.hpp). The host may be a name.
 */
export function parsePid(pid: unknown): HostPort | null {
  if (typeof pid !== 'string') return null;
  const at = pid.indexOf('@');
  if (at < 0 || pid.includes('@', at + 1)) return null;
  const parsed = parseHostPort(pid.slice(at + 1), null);
  return parsed.ok ? parsed.value : null;
}
