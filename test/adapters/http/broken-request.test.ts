import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createBrokenRequestHandler } from '../../../src/adapters/http/broken-request.ts';
import { readToEnd } from './test-api.ts';

/** Both ends of a connection over loopback, ours as Node's HTTP server opens it. */
async function connection(t: TestContext): Promise<{ ours: Socket; theirs: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const theirs = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [ours] = (await once(server, 'connection')) as [Socket];
  t.after(() => {
    theirs.destroy();
    ours.destroy();
    server.close();
  });
  return { ours, theirs };
}

const broken = (code: string): Error & { code: string } => Object.assign(new Error(code), { code });

test('a broken request is answered by the kind of its error', async (t) => {
  const cases = [
    ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
    ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
    ['HPE_CHUNK_EXTENSIONS_OVERFLOW', '413 Payload Too Large'],
    ['HPE_INVALID_METHOD', '400 Bad Request'],
  ] as const;
  for (const [code, line] of cases) {
    const { ours, theirs } = await connection(t);
    const answer = readToEnd(theirs);
    const status = createBrokenRequestHandler(1).handle(broken(code), ours);
    assert.equal(status, Number(line.slice(0, 3)));
    const [head = '', body = ''] = (await answer).split('\r\n\r\n');
    assert.ok(head.startsWith(`HTTP/1.1 ${line}\r\n`), head);
    assert.ok(head.includes(`\r\nContent-Length: ${body.length}\r\n`), head);
    assert.equal(body, line.replace(' ', ': '));
  }
});

test('what follows a refusal does not cut the client off from reading it', async (t) => {
  const { ours, theirs } = await connection(t);
  const answer = readToEnd(theirs);
  const handler = createBrokenRequestHandler(60_000);
  assert.equal(handler.handle(broken('HPE_INVALID_METHOD'), ours), 400);
  assert.equal(handler.handle(broken('HPE_INVALID_METHOD'), ours), null);
  assert.equal(ours.destroyed, false);
  assert.match(await answer, /^HTTP\/1\.1 400 /);
});

test('a client that does not end its side after a refusal is cut, and no timer stays', async (t) => {
  const { ours, theirs } = await connection(t);
  theirs.on('error', () => undefined);
  const trickle = setInterval(() => theirs.write('x'), 2);
  t.after(() => clearInterval(trickle));
  createBrokenRequestHandler(20).handle(broken('HPE_INVALID_METHOD'), ours);
  await once(ours, 'close');
});

test('a connection that is gone already is not answered', async (t) => {
  const { ours } = await connection(t);
  ours.destroy();
  assert.equal(createBrokenRequestHandler(1).handle(broken('ECONNRESET'), ours), null);
});
