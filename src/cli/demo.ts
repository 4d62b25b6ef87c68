import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '../adapters/clock.ts';
import { type DemoCluster, startDemoCluster } from '../adapters/demo/demo-cluster.ts';
import { createLog } from '../adapters/log.ts';
import { loadMasterFiles } from '../adapters/mesos/master-client.ts';
import { assert } from '../core/base/assert.ts';
import { formatHostPort } from '../core/base/host-port.ts';
import type { Config } from '../core/config/config.ts';
import { parseConfig } from '../core/config/parse-config.ts';
import { Daemon } from '../daemon/daemon.ts';
import { type ExitCode, UsageError } from './exit-code.ts';
import { untilStopped } from './signals.ts';

/** Between two looks at the daemon, and how long to look: its master is in the same process. */
const READY_STEP_MS = 20;
const READY_DEADLINE_MS = 5_000;

/** `hoplite demo`: the daemon on an embedded scripted cluster, nothing outside loopback. */
export async function demo(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'dns-port': { type: 'string', default: '8053' },
      'http-port': { type: 'string', default: '8123' },
    },
  });
  const dnsPort = portOption('--dns-port', values['dns-port']);
  const httpPort = portOption('--http-port', values['http-port']);
  const cluster = await startDemoCluster(systemClock);
  const config = demoConfig(cluster, dnsPort, httpPort);
  const log = createLog({ level: config.log.level });
  const files = loadMasterFiles(config.cluster);
  assert(files.ok, 'the demo names no files');
  const daemon = new Daemon(config, { clock: systemClock, log, files: files.value });
  return untilStopped(
    log,
    {
      async start() {
        try {
          await daemon.start();
        } catch (error) {
          // Its servers would keep the process.
          await cluster.close();
          throw error;
        }
        await untilReady(daemon);
        process.stdout.write(introduction(daemon));
      },
      async stop() {
        const [stopped] = await Promise.all([daemon.stop(), cluster.close()]);
        return stopped;
      },
    },
    () => Promise.resolve(),
  );
}

/** Commands are shown when they work; if they never do, the last of them says why. */
async function untilReady(daemon: Daemon): Promise<void> {
  const end = systemClock.monotonic() + READY_DEADLINE_MS;
  while (!daemon.status().ready && systemClock.monotonic() < end) await delay(READY_STEP_MS);
}

function portOption(option: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError(`${option} takes a port from 0 to 65535`);
  return port;
}

function demoConfig(cluster: DemoCluster, dnsPort: number, httpPort: number): Config {
  const native = {
    cluster: {
      masters: [formatHostPort(cluster.master)],
      pollIntervalSeconds: 2,
      // Its master has no stream of events.
      events: { follow: 'never' },
    },
    dns: { listen: [`127.0.0.1:${dnsPort}`] },
    http: { listen: `127.0.0.1:${httpPort}` },
    // Names of VIPs answer; the kernel of the machine is left as it is.
    kernel: { enabled: false },
    log: { level: 'warn' },
  };
  const { config, problems } = parseConfig(JSON.stringify(native), '');
  assert(config !== null, `the demo's configuration is good: ${JSON.stringify(problems)}`);
  return config;
}

function introduction(daemon: Daemon): string {
  const { listeners } = daemon.status();
  const port = (protocol: string): number =>
    listeners.find((listener) => listener.protocol === protocol)?.port ?? 0;
  return `hoplite demo: a made-up cluster with 5 Marathon apps, real HTTP servers behind their tasks.
One instance of /shop/search is unhealthy; one of /batch/report comes and goes every 20 s.
VIPs have names here, but nothing balances them: the demo leaves this machine's kernel alone.

Try, in another terminal:

  dig @127.0.0.1 -p ${port('udp')} web.shop.marathon.mesos
  dig @127.0.0.1 -p ${port('udp')} shopweb.marathon.l4lb.mesos
  curl http://127.0.0.1:${port('http')}/v1/services/_web.shop._tcp.marathon.mesos
  curl http://127.0.0.1:${port('http')}/v1/status

Ctrl-C ends it.
`;
}
