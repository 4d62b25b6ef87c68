import { parentPort, workerData } from 'node:worker_threads';
import { loadLibc } from '../../../src/adapters/dns/native/libc.ts';
import { runUdpThread } from '../../../src/adapters/dns/native/udp-thread.ts';
import { assert } from '../../../src/core/base/assert.ts';
import { DROP, FORWARD } from '../../../src/core/dns/answer.ts';
import { FLAG, HEADER_BYTES, RCODE } from '../../../src/core/dns/constants.ts';
import { readU16, writeU16 } from '../../../src/core/dns/wire.ts';
import type {
  UdpPublication,
  UdpWorkerData,
  UdpWorkerReport,
} from '../../../src/daemon/dns/udp-worker-protocol.ts';

/*
 * A UDP worker that goes by the first letter of the qname: `f` it hands over, at `x` it dies, at
 * `l` it loops for ever, at `n` it says that it may not go before others; all else gets a response whose rcode is the first octet of the table
 * published last (0: none yet).
 */

/** First letter of the first label, behind its length. */
const LETTER_AT = HEADER_BYTES + 1;

let marker = 0;

function respond(message: Uint8Array, length: number, rcode: number, out: Uint8Array): number {
  out.set(message.subarray(0, length));
  writeU16(out, 2, readU16(message, 2) | FLAG.QR | rcode);
  return length;
}

const port = parentPort;
assert(port !== null, 'this module is a worker');
const { setup } = workerData as UdpWorkerData;
const libc = await loadLibc();
assert(libc.ok, 'the C library is here');

runUdpThread(setup, {
  libc: libc.value,
  port,
  handle(message, length, _client, _nowMs, out) {
    switch (String.fromCharCode(message[LETTER_AT] ?? 0)) {
      case 'f':
        return FORWARD;
      case 'x':
        throw new Error('told to die');
      case 'l':
        for (;;) marker++;
      case 'n': {
        const refused: UdpWorkerReport = { kind: 'nice', nice: 0 };
        port.postMessage(refused);
        return respond(message, length, marker, out);
      }
      case 'd':
        return DROP;
      default:
        return respond(message, length, marker, out);
    }
  },
  overload: (message, length, _client, _nowMs, out) =>
    respond(message, length, RCODE.SERVFAIL, out),
  now: () => performance.now(),
  onMessage(message) {
    const publication = message as UdpPublication;
    if (publication.kind === 'table') marker = new Uint8Array(publication.table.buffer)[0] ?? 0;
  },
  onIdle: () => undefined,
});
