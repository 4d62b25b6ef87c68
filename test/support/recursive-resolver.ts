import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SocketAddress } from '../../src/core/config/config.ts';
import type { Cleanup } from './cleanup.ts';
import { LongProcess, scratchFolder } from './cli-process.ts';
import { openUpstream } from './dns-peer.ts';
import { toolPath } from './tools.ts';

/** A free port can be taken by others before the program has it. */
const PORT_CHOICES_MAX = 5;

/** Starts a program on a port that is free; tried again with another one if it does not come up. */
async function onFreePort(
  start: (listen: SocketAddress) => Promise<unknown>,
): Promise<SocketAddress> {
  for (let choice = 1; ; choice++) {
    const free = await openUpstream(() => undefined);
    await free.close();
    try {
      await start(free.address);
      return free.address;
    } catch (error) {
      if (choice === PORT_CHOICES_MAX) throw error;
    }
  }
}

/** Starts Unbound without DNSSEC; `zones` are clauses such as `stub-zone:`, options indented. */
export function startUnbound(t: Cleanup, zones: string): Promise<SocketAddress> {
  return onFreePort(async ({ address, port }) => {
    const folder = scratchFolder(t);
    const file = join(folder, 'unbound.conf');
    writeFileSync(
      file,
      `server:
  interface: ${address}@${port}
  outgoing-interface: ${address}
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  num-threads: 1
  do-ip6: no
  do-not-query-localhost: no
  module-config: "iterator"
  harden-below-nxdomain: yes
  qname-minimisation: yes
  qname-minimisation-strict: yes
  use-caps-for-id: yes
  local-zone: "test." nodefault
remote-control:
  control-enable: no
${zones}`,
    );
    // AppArmor profiles go by path, and that of Unbound lets it read only its own folders.
    const program = join(folder, 'unbound');
    copyFileSync(toolPath('unbound') ?? '', program);
    const unbound = new LongProcess(t, program, ['-d', '-c', file]);
    await unbound.prints('start of service', () => unbound.stderr.includes('start of service'));
  });
}

/** Starts Knot Resolver, which forwards everything to `upstream` and validates nothing. */
export function startKnotResolver(t: Cleanup, upstream: SocketAddress): Promise<SocketAddress> {
  return onFreePort(async ({ address, port }) => {
    const folder = scratchFolder(t);
    const file = join(folder, 'kresd.conf');
    writeFileSync(
      file,
      `net.listen('${address}', ${port}, { kind = 'dns' })
trust_anchors.remove('.')
cache.open(10 * MB, 'lmdb://${folder}')
policy.add(policy.all(policy.FORWARD('${upstream.address}@${upstream.port}')))
print('kresd is up')
`,
    );
    const kresd = new LongProcess(t, toolPath('kresd') ?? '', ['-n', '-c', file, folder]);
    await kresd.prints('start', () => `${kresd.stdout}${kresd.stderr}`.includes('kresd is up'));
  });
}
