/**
 * Asks a name server, or the kernel, again and again until the answer shows a change:
 * `change-probe.js PORT`, with lines of bench/change-watch.ts.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createNetlinkClient, type NetlinkClient } from '../src/adapters/kernel/netlink-client.ts';
import { NETLINK_PROTOCOL } from '../src/adapters/kernel/netlink-socket.ts';
import { RCODE, TYPE } from '../src/core/dns/constants.ts';
import { DESTINATION_ATTRIBUTE, IPVS_ATTRIBUTE, IPVS_FAMILY } from '../src/core/ipvs/attributes.ts';
import { decodeDestination, encodeServiceQuery } from '../src/core/ipvs/ipvs-message.ts';
import { Attributes } from '../src/core/netlink/attributes.ts';
import {
  CONTROL_FAMILY,
  decodeFamilyId,
  encodeFamilyQuery,
  GENERIC_HEADER_BYTES,
} from '../src/core/netlink/generic-message.ts';
import { buildMessage, readMessage } from '../test/support/dns-message.ts';
import type { Sighting, Watched } from './change-watch.ts';

/** Between an answer and the next question. */
const PAUSE_MS = 0.2;
/** A question without an answer is asked again. */
const LOST_MS = 50;
const NETLINK_MS = 10_000;
const VIP_PORT = 80;

const [port] = process.argv.slice(2).map(Number);
if (port === undefined) throw new Error('usage: change-probe.js PORT');
const socket = createSocket('udp4');
socket.connect(port, '127.0.0.1');
await once(socket, 'connect');
const cell = new Int32Array(new SharedArrayBuffer(4));
let ipvs: Promise<{ readonly netlink: NetlinkClient; readonly family: number }> | null = null;

/** Sleeps for a part of a millisecond, which timers cannot. */
function pause(): void {
  Atomics.wait(cell, 0, 0, PAUSE_MS);
}

function say(sighting: Sighting): void {
  process.stdout.write(`${JSON.stringify(sighting)}\n`);
}

/** The next answer with this id; null: none has come. */
function answered(from: Socket, id: number): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const end = (bytes: Buffer | null): void => {
      from.off('message', hear);
      clearTimeout(deadline);
      resolve(bytes);
    };
    const hear = (bytes: Buffer): void => {
      if (bytes.readUInt16BE(0) === id) end(bytes);
    };
    const deadline = setTimeout(end, LOST_MS, null);
    from.on('message', hear);
  });
}

/** Data of a record of this address, as the reader of messages has it. */
const dataOf = (address: string): string =>
  Buffer.from(address.split('.').map(Number)).toString('hex');

/** Whether DNS shows the address; null: it did not answer. */
async function shownByDns(query: Buffer, id: number, data: string): Promise<boolean | null> {
  query.writeUInt16BE(id, 0);
  const answer = answered(socket, id);
  socket.send(query);
  const bytes = await answer;
  if (bytes === null) return null;
  const message = readMessage(bytes);
  if (message.rcode !== RCODE.NOERROR && message.rcode !== RCODE.NXDOMAIN) return null;
  return message.answer.some((record) => record.data === data);
}

async function openIpvs(): NonNullable<typeof ipvs> {
  const netlink = createNetlinkClient(NETLINK_PROTOCOL.GENERIC, NETLINK_MS);
  const body = encodeFamilyQuery(IPVS_FAMILY);
  const [answer] = (await netlink.ask({ type: CONTROL_FAMILY, flags: 0, body })).bodies;
  const family = answer === undefined ? null : decodeFamilyId(answer);
  if (family === null) throw new Error('the kernel has no IPVS');
  return { netlink, family };
}

/** Whether new connections to the VIP go to the backend. */
async function shownByKernel(vip: string, { address, port }: Watched): Promise<boolean> {
  const { netlink, family } = await (ipvs ??= openIpvs());
  const service = { protocol: 'tcp', address: vip, port: VIP_PORT } as const;
  const body = encodeServiceQuery('GET_DESTINATION', service);
  const { bodies } = await netlink.dump({ type: family, flags: 0, body });
  return bodies.some((one) => {
    const id = decodeDestination(one)?.id;
    if (id?.address !== address || id.port !== port) return false;
    const message = Attributes.parse(one, GENERIC_HEADER_BYTES);
    const weight = message?.nested(IPVS_ATTRIBUTE.DESTINATION)?.u32(DESTINATION_ATTRIBUTE.WEIGHT);
    return (weight ?? 0) > 0;
  });
}

async function watch(watched: Watched): Promise<void> {
  const { qname, vip, address, isThere } = watched;
  const query = Buffer.from(buildMessage({ qname, qtype: TYPE.A }));
  const data = dataOf(address);
  for (let asked = 0; ; asked++) {
    const isShown =
      vip === null
        ? await shownByDns(query, asked % 65_536, data)
        : await shownByKernel(vip, watched);
    if (isShown === isThere) {
      say({ kind: 'seen', at: String(process.hrtime.bigint()), asked });
      return;
    }
    if (asked === 0) say({ kind: 'asking' });
    pause();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  await watch(JSON.parse(line) as Watched);
}
// Its sockets would keep the process alive.
process.exit();
