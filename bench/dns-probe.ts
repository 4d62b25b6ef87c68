/**
 * Asks a name server for the names of bench/dns-publish.ts at a steady rate, whether answers come or
 * not, and prints a `ProbeReport` as JSON: `dns-probe.js PORT SECONDS QUERIES_PER_SECOND`.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RCODE, TYPE } from '../src/core/dns/constants.ts';
import { buildMessage, readMessage } from '../test/support/dns-message.ts';
import { quantile } from './daemon.ts';
import { instancePort, INSTANCES, type ProbeReport } from './probed-service.ts';

/** Until then the code of the probe itself is compiled. */
const WARM_MS = 1_000;
/** An answer that has not come by then is lost. */
const LOST_MS = 3_000;
const IDS = 1 << 16;
const EXAMPLES_MAX = 5;

const QUESTIONS = [
  { qname: 'probe.marathon.mesos.', qtype: TYPE.A },
  { qname: '_probe._tcp.marathon.mesos.', qtype: TYPE.SRV },
].map((question) => Buffer.from(buildMessage({ ...question, opt: { size: 1232 } })));

/** What an answer says about its generation: its number, or what is wrong. */
function versionOf(bytes: Buffer): number | string {
  const { rcode, tc, answer, additional } = readMessage(bytes);
  if (rcode !== RCODE.NOERROR || tc) return `rcode ${rcode}, TC ${tc}`;
  const distinct = new Set(answer.map(({ data }) => data)).size;
  if (distinct !== INSTANCES) return `${distinct} of ${INSTANCES} records`;
  const versions = [...answer, ...additional].map(({ type, data }) =>
    type === TYPE.SRV
      ? Math.floor((Number.parseInt(data.slice(8, 12), 16) - instancePort(0, 0)) / 1_000)
      : Number.parseInt(data.slice(2, 4), 16),
  );
  const [first = 0, ...others] = [...new Set(versions)].sort();
  return others.length === 0 ? first : `generations ${[first, ...others].join(' and ')}`;
}

/** Datagrams that the kernel threw away since the socket on a port was full. */
function droppedAt(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/udp', 'utf8').split('\n').slice(1);
  const columns = lines.map((line) => line.trim().split(/\s+/));
  return columns
    .filter(([, address]) => address?.endsWith(local))
    .reduce((sum, column) => sum + Number(column.at(-1)), 0);
}

async function probe(port: number, seconds: number, rate: number): Promise<ProbeReport> {
  const socket = createSocket('udp4');
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const sentAt = new Float64Array(IDS);
  const times: number[] = [];
  const answers: Buffer[] = [];
  let [sent, outstanding] = [0, 0];
  const warm = Math.round((WARM_MS / 1000) * rate);
  socket.on('message', (bytes) => {
    const now = performance.now();
    const id = bytes.readUInt16BE(0);
    if (sentAt[id] === 0) return;
    times.push(now - sentAt[id]!);
    sentAt[id] = 0;
    outstanding--;
    // They are read at the end: that would take time away from the measurement.
    answers.push(bytes);
  });
  const start = performance.now();
  const total = warm + Math.round(seconds * rate);
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - start) * rate) / 1000));
    for (; sent < due; sent++) {
      if (sent === warm) times.length = answers.length = 0;
      const query = QUESTIONS[sent % QUESTIONS.length]!;
      const id = sent % IDS;
      query.writeUInt16BE(id, 0);
      outstanding++;
      sentAt[id] = performance.now();
      socket.send(Buffer.from(query));
    }
    await sleep(1);
  }
  const deadline = performance.now() + LOST_MS;
  while (outstanding > 0 && performance.now() < deadline) await sleep(10);
  const missed = droppedAt(socket.address().port);
  socket.close();
  const versions = answers.map(versionOf);
  const wrong = versions.filter((version) => typeof version === 'string');
  const right = versions.filter((version) => typeof version === 'number');
  return {
    sent: total - warm,
    lost: outstanding - missed,
    missed,
    droppedByServer: droppedAt(port),
    wrong: wrong.length,
    examples: [...new Set(wrong)].slice(0, EXAMPLES_MAX),
    changes: right.filter((version, i) => i > 0 && version !== right[i - 1]).length,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    p999: quantile(times, 0.999),
    max: quantile(times, 1),
  };
}

const [port, seconds, rate] = process.argv.slice(2).map(Number);
if (port === undefined || seconds === undefined || rate === undefined) {
  throw new Error('usage: dns-probe.js PORT SECONDS QUERIES_PER_SECOND');
}
process.stdout.write(`${JSON.stringify(await probe(port, seconds, rate))}\n`);
