import { networkInterfaces } from 'node:os';
import { systemClock } from '../../../src/adapters/clock.ts';
import { expandWildcard } from '../../../src/adapters/dns/wildcard.ts';
import type { Config, SocketAddress } from '../../../src/core/config/config.ts';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import { FLAG, TYPE } from '../../../src/core/dns/constants.ts';
import type { Log } from '../../../src/core/ports.ts';
import type { Count } from '../../../src/core/respond/counters.ts';
import { DnsPlane } from '../../../src/daemon/dns/dns-plane.ts';
import { DnsTallies } from '../../../src/daemon/dns/dns-tallies.ts';
import type { Cleanup } from '../../support/cleanup.ts';
import { daemonConfig } from '../../support/daemon-config.ts';
import {
  addressRecords,
  buildMessage,
  readMessage,
  type ReadMessage,
  type TestMessage,
} from '../../support/dns-message.ts';
import {
  frame,
  openTcpClient,
  openUdpClient,
  openUpstream,
  questionsTo,
  type ReceivedQuery,
  type ScriptedUpstream,
} from '../../support/dns-peer.ts';
import { compileZone, ip, TERMS, zoneApex } from '../../support/small-zone.ts';

type Parts = Readonly<Record<string, object>>;

/** web.`zone` is 10.1.0.`version`. */
export function versionTable(version: number, zone = 'mesos.'): AnswerTable {
  const terms = { ...TERMS, zones: [zoneApex(zone)] };
  return compileZone((store) => store.address(`web.${zone}`, ip(`10.1.0.${version}`)), terms);
}

/** An upstream that knows one address for every name, with a TTL of 300 s. */
export async function startUpstream(
  t: Cleanup,
  script: Parameters<typeof openUpstream>[0] = (query, reply) => reply(answerTo(query)),
): Promise<ScriptedUpstream> {
  const upstream = await openUpstream(script);
  t.after(() => upstream.close());
  return upstream;
}

/** Names that an upstream was asked for, in order. */
export function namesAsked(upstream: ScriptedUpstream): string[] {
  return questionsTo(upstream).map(({ message }) =>
    (readMessage(message).qname ?? '').toLowerCase(),
  );
}

/** 203.0.113.1 for the name that was asked for. */
export function answerTo({ message }: ReceivedQuery): Uint8Array {
  const { id, qname, qtype } = readMessage(message);
  const name = qname ?? '';
  const answer = qtype === TYPE.A ? addressRecords(name, 1) : [];
  return buildMessage({ id, flags: FLAG.QR | FLAG.RA, qname: name, qtype: qtype ?? 0, answer });
}

export const textOf = ({ address, port }: SocketAddress): string => `${address}:${port}`;

/** A plane with real sockets and threads. */
export interface PlaneRig {
  readonly plane: DnsPlane;
  readonly tallies: DnsTallies;
  /** Events of log lines. */
  readonly logged: readonly string[];
  readonly address: SocketAddress;
  configure(parts: Parts): void;
  ask(message: TestMessage, overTcp?: boolean, host?: string): Promise<ReadMessage>;
  /** Counted by the main thread first, then by each UDP thread. */
  counted(count: Count): number[];
}

const configOf = (parts: Parts): Config =>
  daemonConfig({ cluster: { masters: ['127.0.0.1:1'] }, ...parts });

/** Opens a plane that is closed with the test. */
export async function openPlane(
  t: Cleanup,
  parts: Parts,
  table: AnswerTable = versionTable(1),
): Promise<PlaneRig> {
  const logged: string[] = [];
  const note = (event: string): void => void logged.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const tallies = new DnsTallies(systemClock, log);
  const ignore = (): void => undefined;
  const plane = new DnsPlane(configOf(parts), {
    clock: systemClock,
    log,
    tallies,
    metrics: {
      observeForward: ignore,
      countForwardFailure: ignore,
      countForwardReject: ignore,
      countForwardCoalesced: ignore,
    },
    version: '1.2.3',
    hostname: 'node-7',
    resolvConf: '/nonexistent',
    expand: (listen) => expandWildcard(listen, networkInterfaces()),
    table,
    onAddressChange: ignore,
  });
  t.after(() => plane.close(0));
  await plane.open();
  const [address = { address: '', port: 0 }] = plane.addresses();
  const udpClients = new Map<string, Awaited<ReturnType<typeof openUdpClient>>>();
  t.after(() => {
    for (const client of udpClients.values()) client.close();
  });
  return {
    plane,
    tallies,
    logged,
    address,
    configure: (changes) => plane.configure(configOf({ ...parts, ...changes })),
    async ask(message, overTcp = false, host = address.address) {
      const server = { ...address, address: host };
      const bytes = buildMessage(message);
      if (!overTcp) {
        // Connected, so that answers from elsewhere do not arrive.
        const client = udpClients.get(host) ?? (await openUdpClient(server));
        udpClients.set(host, client);
        return readMessage(await client.ask(bytes));
      }
      const client = await openTcpClient(server);
      try {
        client.socket.write(frame(bytes));
        const [reply = new Uint8Array(0)] = await client.messages(1);
        return readMessage(reply);
      } finally {
        client.socket.destroy();
      }
    },
    counted: (count) => tallies.blocks().map((block) => block.counted(count)),
  };
}
