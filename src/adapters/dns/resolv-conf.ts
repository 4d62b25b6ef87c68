import { readFile, stat } from 'node:fs/promises';
import { parseIpAddress } from '../../core/base/address.ts';
import type { SocketAddress } from '../../core/config/config.ts';
import { parseResolvConf } from '../../core/dns/resolv-conf.ts';

/** resolv.conf(5) has a few lines; a larger file is not one. */
const FILE_BYTES_MAX = 64 * 1024;

/** The node's own upstreams, as far as asking them does not mean asking ourselves. */
export interface SystemUpstreams {
  /** As of the last `refresh`; empty before the first. */
  readonly upstreams: readonly SocketAddress[];
  /** Why the file could not be read at the last `refresh`; null if it could. */
  readonly problem: string | null;
  /**
   * Reads the file again if it was replaced or changed; true if `upstreams` changed. If it cannot
   * be read, what was known stays. One `stat` where nothing changed; never rejects.
   */
  refresh(): Promise<boolean>;
}

/**
 * The nameservers of the file at `path` (/etc/resolv.conf), without those where we listen:
 * `ownAddresses` are the open UDP listeners, wildcards expanded. Other local addresses stay, since
 * another resolver may serve there, such as systemd-resolved on 127.0.0.53.
 */
export function createSystemUpstreams(
  path: string,
  ownAddresses: readonly SocketAddress[],
): SystemUpstreams {
  return new ResolvConfUpstreams(path, ownAddresses);
}

/** `createSystemUpstreams` for one reading. */
export async function systemUpstreams(
  path: string,
  ownAddresses: readonly SocketAddress[],
): Promise<readonly SocketAddress[]> {
  const system = createSystemUpstreams(path, ownAddresses);
  await system.refresh();
  return system.upstreams;
}

class ResolvConfUpstreams implements SystemUpstreams {
  upstreams: readonly SocketAddress[] = [];
  problem: string | null = null;
  readonly #path: string;
  readonly #own: ReadonlySet<string>;
  #version = '';

  constructor(path: string, ownAddresses: readonly SocketAddress[]) {
    this.#path = path;
    this.#own = new Set(ownAddresses.map(socketKey));
  }

  async refresh(): Promise<boolean> {
    try {
      // Generators replace the file or rewrite it in place, within one tick of coarse file times.
      const { ino, mtimeMs, size } = await stat(this.#path);
      const version = `${ino} ${mtimeMs} ${size}`;
      if (version === this.#version) return false;
      if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes`);
      const { nameservers } = parseResolvConf(await readFile(this.#path, 'utf8'));
      this.#version = version;
      this.problem = null;
      const before = this.upstreams.map(socketKey).join();
      this.upstreams = nameservers.filter((nameserver) => !this.#own.has(socketKey(nameserver)));
      return this.upstreams.map(socketKey).join() !== before;
    } catch (error) {
      this.#version = '';
      this.problem = `cannot read ${this.#path}: ${error instanceof Error ? error.message : String(error)}`;
      return false;
    }
  }
}

function socketKey({ address, port }: SocketAddress): string {
  return `${parseIpAddress(address)?.text ?? address} ${port}`;
}
