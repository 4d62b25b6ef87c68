import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  daemonError,
  deferred,
  NEVER,
  startClient,
  startMaster,
  startRawMaster,
  STATE,
  textOf,
} from './loopback-master.ts';

const GZIP = { 'content-encoding': 'gzip' };

/** Writes pieces until the client hangs up; resolves to how many bytes that took. */
async function writeForEver(response: ServerResponse, piece: Buffer): Promise<number> {
  let bytes = 0;
  const closed = once(response, 'close');
  while (!response.destroyed) {
    bytes += piece.byteLength;
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), closed]);
  }
  return bytes;
}

/** A text that hardly compresses and differs everywhere, so that no byte can get lost unseen. */
function numbers(bytes: number): Buffer {
  const text = Array.from({ length: bytes / 4 }, (_value, i) => i.toString(36)).join(' ');
  return Buffer.from(text).subarray(0, bytes);
}

for (const encoding of ['identity', 'gzip', 'GZip', 'x-gzip']) {
  test(`a body with encoding ${encoding} comes in pieces that can go to a worker`, async (t) => {
    const body = numbers(900_000);
    const sent = encoding === 'identity' ? body : gzipSync(body);
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(sent);
    });
    const state = await startClient(t).fetchState(master, NEVER);
    assert.equal(state.bytes, body.byteLength);
    assert.ok(Buffer.concat(state.chunks).equals(body));
    for (const chunk of state.chunks) {
      assert.ok(chunk.byteLength > 0);
      assert.equal(chunk.byteOffset, 0);
      assert.equal(chunk.byteLength, chunk.buffer.byteLength);
    }
    const buffers = state.chunks.map(({ buffer }) => buffer);
    assert.equal(new Set(buffers).size, buffers.length);
    const moved = structuredClone(state.chunks, { transfer: buffers });
    assert.ok(Buffer.concat(moved).equals(body));
    assert.ok(buffers.every(({ byteLength }) => byteLength === 0));
  });
}

test('an empty body is an empty state body', async (t) => {
  const master = await startMaster(t, (_request, response) => response.end());
  const { chunks, bytes } = await startClient(t).fetchState(master, NEVER);
  assert.deepEqual({ chunks, bytes }, { chunks: [], bytes: 0 });
});

for (const headers of [{}, GZIP]) {
  const kind = 'content-encoding' in headers ? 'gzip' : 'plain';
  test(`a ${kind} body of exactly the limit is taken, of one byte more is not`, async (t) => {
    const body = Buffer.alloc(100_000, 'x');
    const sent = kind === 'gzip' ? gzipSync(body) : body;
    // Without Content-Length, so that the bytes have to be counted.
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(200, { ...headers, 'transfer-encoding': 'chunked' }).end(sent);
    });
    const state = await startClient(t, { stateBytesMax: 100_000 }).fetchState(master, NEVER);
    assert.equal(state.bytes, 100_000);
    await assert.rejects(
      startClient(t, { stateBytesMax: 99_999 }).fetchState(master, NEVER),
      daemonError('master-body-too-large', /^master 127\.0\.0\.1:\d+: .* more than 99999 bytes$/),
    );
  });
}

test('a body that announces too many bytes is refused before the first', async (t) => {
  const hungUp = deferred();
  const master = await startMaster(t, (request, response) => {
    request.socket.once('close', () => hungUp.resolve());
    response.writeHead(200, { 'content-length': '10000000000' }).flushHeaders();
  });
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-body-too-large', /more than 1000000 bytes/),
  );
  await hungUp.promise;
});

const ENDLESS: readonly (readonly [
  what: string,
  headers: Record<string, string>,
  piece: Buffer,
])[] = [
  ['a plain body', {}, Buffer.alloc(65_536, ' ')],
  ['a gzip bomb', GZIP, gzipSync(Buffer.alloc(8_000_000))],
  ['gzip that holds nothing', GZIP, Buffer.concat(Array(1_000).fill(gzipSync('')) as Buffer[])],
];

for (const [what, headers, piece] of ENDLESS) {
  test(`${what} without end is given up at the limit`, async (t) => {
    const written = deferred<number>();
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(200, headers);
      void writeForEver(response, piece).then(written.resolve);
    });
    const client = startClient(t, { stateBytesMax: 500_000 });
    const before = process.memoryUsage().arrayBuffers;
    await assert.rejects(
      client.fetchState(master, NEVER),
      daemonError('master-body-too-large', /more than 500000 bytes/),
    );
    assert.ok(process.memoryUsage().arrayBuffers - before < 50_000_000);
    // What was on its way when the client hung up fits in socket buffers.
    assert.ok((await written.promise) < 20_000_000);
  });
}

const BROKEN_OFF: readonly (readonly [what: string, bytes: string])[] = [
  ['with a length', `HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n${STATE}`],
  ['in chunks', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n${STATE}`],
  ['between chunks', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n`],
];

for (const [what, bytes] of BROKEN_OFF) {
  test(`a body ${what} that breaks off is no state`, async (t) => {
    const master = await startRawMaster(t, (socket) => socket.end(bytes));
    await assert.rejects(
      startClient(t).fetchState(master, NEVER),
      daemonError('master-unreachable', /: connection closed before the answer was complete/),
    );
  });

  test(`a body ${what} whose connection is reset is no state`, async (t) => {
    const master = await startRawMaster(t, (socket) => {
      socket.write(bytes, () => socket.resetAndDestroy());
    });
    await assert.rejects(
      startClient(t).fetchState(master, NEVER),
      daemonError('master-unreachable', /: connection (closed|reset)/),
    );
  });
}

const BAD_GZIP: readonly (readonly [what: string, body: Buffer])[] = [
  ['is cut', gzipSync(numbers(10_000)).subarray(0, -20)],
  ['is not gzip', Buffer.from(STATE)],
  ['goes on as something else', Buffer.concat([gzipSync(STATE), Buffer.from('more')])],
  ['has a wrong checksum', Buffer.concat([gzipSync(STATE).subarray(0, -8), Buffer.alloc(8)])],
];

for (const [what, body] of BAD_GZIP) {
  test(`a gzip body that ${what} is no state`, async (t) => {
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(200, GZIP).end(body);
    });
    await assert.rejects(
      startClient(t).fetchState(master, NEVER),
      daemonError('state-invalid', /^master 127\.0\.0\.1:\d+: the gzip data is broken$/),
    );
  });
}

test('zeros after the gzip data end the body', async (t) => {
  const hungUp = deferred();
  const master = await startMaster(t, (request, response) => {
    request.socket.once('close', () => hungUp.resolve());
    response.writeHead(200, GZIP);
    response.write(Buffer.concat([gzipSync(STATE), Buffer.alloc(100)]));
  });
  assert.equal(textOf(await startClient(t).fetchState(master, NEVER)), STATE);
  await hungUp.promise;
});

test('an encoding that was not asked for is refused', async (t) => {
  for (const encoding of ['br', 'deflate', 'gzip, gzip']) {
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(STATE);
    });
    await assert.rejects(
      startClient(t).fetchState(master, NEVER),
      daemonError('state-invalid', /an encoding that was not asked for$/),
    );
  }
});
