/**
 * The lab of bench/dns.sh: writes what the name servers and dnsperf need into FOLDER, and then is the
 * cluster's master until it is killed. `ports` there is written last: shell assignments.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { clusterState, task } from './cluster-state.ts';

/** Services of one instance, and again as many of INSTANCES. */
const SERVICES = 1_000;
const INSTANCES = 10;
const AGENTS = 100;

const folder = process.argv[2] ?? '';
if (folder === '') throw new Error('usage: dns-lab.js FOLDER');

/** Ports that are free for UDP now; all are held until the last is known, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4').bind(0, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'listening')));
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => once(socket.close(), 'close')));
  return ports;
}

const write = (name: string, ...lines: readonly string[]): void =>
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);

const each = (line: (i: number) => string): string[] =>
  Array.from({ length: SERVICES }, (_, i) => line(i));

function knotConfig(port: number, zone: string): string[] {
  const own = join(folder, `knot-${zone}`);
  mkdirSync(own);
  return [
    'server:',
    `    listen: 127.0.0.1@${port}`,
    '    udp-workers: 1',
    '    tcp-workers: 1',
    '    background-workers: 1',
    `    rundir: ${own}`,
    'database:',
    `    storage: ${own}`,
    'zone:',
    `  - domain: ${zone}`,
    `    file: ${folder}/${zone}.zone`,
  ];
}

function unboundConfig(port: number, upstream: number): string[] {
  return [
    'server:',
    '    interface: 127.0.0.1',
    `    port: ${port}`,
    '    num-threads: 1',
    // Answers are passed on as they come, as hoplite does.
    '    module-config: "iterator"',
    '    do-not-query-localhost: no',
    '    do-daemonize: no',
    '    use-syslog: no',
    '    username: ""',
    '    chroot: ""',
    `    directory: ${folder}`,
    '    pidfile: ""',
    'remote-control:',
    '    control-enable: no',
    'forward-zone:',
    '    name: "."',
    `    forward-addr: 127.0.0.1@${upstream}`,
  ];
}

const server = createServer((_request, response) => response.end(state)).listen(0, '127.0.0.1');
await once(server, 'listening');
const master = `127.0.0.1:${(server.address() as AddressInfo).port}`;
const instances = Array.from({ length: SERVICES * INSTANCES }, (_, n) =>
  task(`pool${Math.floor(n / INSTANCES)}`, n, n % AGENTS, 10_000 + n),
);
const state = clusterState(SERVICES + 1, AGENTS, master, 0, instances);
const [hoplite, knot, unbound, upstream] = (await freePorts(4)) as [number, number, number, number];

write('state.json', state);
write(
  'hoplite.json',
  JSON.stringify({
    // Once is enough: what a rebuild costs is the subject of another benchmark.
    cluster: { masters: [master], pollIntervalSeconds: 3600 },
    dns: { listen: [`127.0.0.1:${hoplite}`], udpThreads: 1 },
    kernel: { enabled: false },
    forward: { upstreams: [`127.0.0.1:${upstream}`] },
    http: { listen: '127.0.0.1:0' },
  }),
);
write('knot.conf', ...knotConfig(knot, 'mesos'));
write('upstream.conf', ...knotConfig(upstream, 'example.org'));
write('unbound.conf', ...unboundConfig(unbound, upstream));
write(
  'example.org.zone',
  '$ORIGIN example.org.',
  '$TTL 86400',
  '@ SOA ns1 root 1 3600 600 86400 3600',
  '@ NS ns1',
  'ns1 A 192.0.2.53',
  ...each((i) => `www${i} A 198.51.100.${i % 256}`),
);
write('queries.a', ...each((i) => `app${i + 1}.marathon.mesos A`));
write('queries.srv', ...each((i) => `_pool${i}._tcp.marathon.mesos SRV`));
write('queries.nxdomain', ...each((i) => `www.example${i}.org.marathon.mesos A`));
write('queries.forwarded', ...each((i) => `www${i}.example.org A`));
write('ports', `hoplite=${hoplite} knot=${knot} unbound=${unbound} upstream=${upstream}`);
