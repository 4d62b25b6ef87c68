import { hash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/adapters/clock.ts';
import { ZookeeperConnection } from '../../src/adapters/zookeeper/connection.ts';
import type { HostPort } from '../../src/core/config/config.ts';
import { JuteReader, JuteWriter } from '../../src/core/zookeeper/jute.ts';
import { NO_SESSION } from '../../src/core/zookeeper/message.ts';
import type { SessionKey } from '../../src/core/zookeeper/message.ts';
import type { Cleanup } from './cleanup.ts';
import { LongProcess, scratchFolder } from './cli-process.ts';
import { waitUntil } from './wait-until.ts';

/** A virtual machine that starts, elects and expires sessions beside other tests takes its time. */
const DEADLINE_MS = 40_000;

/** As `waitUntil`, for servers that need seconds. */
export function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  return waitUntil(what, look, DEADLINE_MS);
}

/** One server of an ensemble; it can be killed and started again with what it has on its disk. */
export interface ZookeeperServer {
  readonly address: HostPort;
  start(): void;
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** Kills it and waits for the end. */
  kill(): Promise<void>;
}

/** What is granted to sessions at most; expired ones are found at the next tick. */
export const GRANTED_MS = 2_000;

/** An ensemble of so many servers on free ports of the loopback, all started. */
export async function startZookeeper(
  t: Cleanup,
  count: 1 | 3,
): Promise<readonly ZookeeperServer[]> {
  const ports = await freePorts(3 * count);
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const members = numbers
    .map((n) => `server.${n}=127.0.0.1:${ports[count + n - 1]}:${ports[2 * count + n - 1]}`)
    .join('\n');
  const servers = numbers.map((n) => {
    const folder = scratchFolder(t);
    const data = join(folder, 'data');
    mkdirSync(data);
    writeFileSync(join(data, 'myid'), `${n}\n`);
    const port = ports[n - 1]!;
    writeFileSync(
      join(folder, 'zoo.cfg'),
      `tickTime=500
initLimit=20
syncLimit=10
dataDir=${data}
clientPort=${port}
clientPortAddress=127.0.0.1
minSessionTimeout=1000
maxSessionTimeout=${GRANTED_MS}
admin.enableServer=false
forceSync=no
${count === 1 ? '' : members}
`,
    );
    writeFileSync(
      join(folder, 'log4j.properties'),
      'log4j.rootLogger=WARN,out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n' +
        'log4j.appender.out.layout=org.apache.log4j.SimpleLayout\n',
    );
    return zookeeperServer(t, folder, { host: '127.0.0.1', port });
  });
  for (const server of servers) server.start();
  return servers;
}

function zookeeperServer(t: Cleanup, folder: string, address: HostPort): ZookeeperServer {
  let process: LongProcess | null = null;
  return {
    address,
    start() {
      process = new LongProcess(t, 'java', [
        // A small heap and no optimisation: it lives for seconds.
        '-Xmx64m',
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1',
        '-cp',
        `${folder}:/usr/share/java/zookeeper.jar`,
        '-Dzookeeper.forceSync=no',
        'org.apache.zookeeper.server.quorum.QuorumPeerMain',
        join(folder, 'zoo.cfg'),
      ]);
    },
    signal: (signal) => process?.signal(signal),
    async kill() {
      process?.signal('SIGKILL');
      await process?.end();
    },
  };
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
  );
  return ports;
}

/** Operations that only writers need (ZooDefs.java). */
const CREATE = 1;
const PERSISTENT = 0;
const EPHEMERAL_SEQUENTIAL = 3;
const NODE_EXISTS = -110;

/** A connection with a session; null: there is none to be had. */
function openConnection(
  server: HostPort,
  session: SessionKey,
): Promise<ZookeeperConnection | null> {
  const hello = { session, lastZxid: 0n, timeoutMs: 2_000, connectTimeoutMs: 2_000, auth: null };
  return new Promise((resolve) => {
    const connection = new ZookeeperConnection(server, hello, systemClock, {
      onReady: () => resolve(connection),
      onEvent: () => undefined,
      onEnd: () => resolve(null),
    });
  });
}

/** Who may do what with a node. */
export type Acl = 'everyone' | { readonly user: string; readonly password: string };

/** A client that writes, as masters do. */
export class ZookeeperWriter {
  readonly #connection: ZookeeperConnection;

  private constructor(connection: ZookeeperConnection) {
    this.#connection = connection;
  }

  /** Tries the servers in turn until one grants a session; `session`: goes on with that one. */
  static async open(
    t: Cleanup,
    servers: readonly ZookeeperServer[],
    session: SessionKey = NO_SESSION,
  ): Promise<ZookeeperWriter> {
    for (let attempt = 0; ; attempt++) {
      const { address } = servers[attempt % servers.length]!;
      const connection = await openConnection(address, session);
      if (connection !== null) {
        t.after(() => connection.close());
        return new ZookeeperWriter(connection);
      }
      if (attempt > 400) throw new Error('no server of the ensemble grants a session');
      await delay(50);
    }
  }

  /** Makes a node that stays; one that is there already is left as it is. */
  async make(path: string, acl: Acl = 'everyone'): Promise<void> {
    await this.#create(path, new Uint8Array(), PERSISTENT, acl);
  }

  /** Enters a master: its node goes when this writer's session does. Returns the node's path. */
  enter(folder: string, label: string, content: string | Uint8Array): Promise<string> {
    const data = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    return this.#create(`${folder}/${label}`, data, EPHEMERAL_SEQUENTIAL, 'everyone');
  }

  /** Ends the session, and with it the master's node. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  async #create(path: string, data: Uint8Array, flags: number, acl: Acl): Promise<string> {
    const [scheme, id, permissions] =
      acl === 'everyone' ? ['world', 'anyone', 31] : ['digest', digestOf(acl), 31];
    const reply = await this.#connection.request((xid) =>
      new JuteWriter()
        .int(xid)
        .int(CREATE)
        .text(path)
        .buffer(data)
        .int(1)
        .int(permissions)
        .text(scheme)
        .text(id)
        .int(flags)
        .frame(),
    );
    if (reply.error === NODE_EXISTS) return path;
    if (reply.error !== 0) throw new Error(`error ${reply.error} for ${path}`);
    return new JuteReader(reply.body).text();
  }
}

/** As ACLs hold it (DigestAuthenticationProvider.java). */
function digestOf({
  user,
  password,
}: {
  readonly user: string;
  readonly password: string;
}): string {
  return `${user}:${hash('sha1', `${user}:${password}`, 'base64')}`;
}
