import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { HostPort } from '../../../src/core/config/config.ts';
import { ManualClock } from '../manual-clock.ts';
import {
  daemonError,
  lacksIpv6,
  NEVER,
  recordedRedirect,
  recordedResponse,
  startClient,
  startMaster,
  startRawMaster,
  STATE,
  textOf,
} from './loopback-master.ts';

const SECRET = 'correct horse battery staple';

function startRecorded(t: TestContext, bytes: Buffer): Promise<HostPort> {
  return startRawMaster(t, (socket) => socket.end(bytes));
}

test('the state of a real leader arrives byte for byte', async (t) => {
  const bytes = recordedResponse('state-of-leader');
  const { host, port } = await startRecorded(t, bytes);
  const state = await startClient(t).fetchState({ host, port }, NEVER);
  assert.equal(textOf(state), bytes.subarray(bytes.indexOf('\r\n\r\n') + 4).toString('utf8'));
  assert.equal(state.bytes, 8485);
  assert.deepEqual(state.answeredBy, { host, port });
});

test('the gzip state of a real leader is decompressed', async (t) => {
  const master = await startRecorded(t, recordedResponse('state-gzip'));
  const state = await startClient(t).fetchState(master, NEVER);
  assert.equal(state.bytes, 28_501);
  const { frameworks } = JSON.parse(textOf(state)) as { frameworks: { name: string }[] };
  assert.deepEqual(frameworks.map(({ name }) => name).sort(), ['chronos', 'marathon']);
});

test('a request says who asks and what for, and keeps no connection', async (t) => {
  const master = await startMaster(t, (_request, response) => response.end(STATE));
  await startClient(t).fetchState(master, NEVER);
  const { method, url, headers } = master.requests[0]!;
  assert.equal(`${method ?? ''} ${url ?? ''}`, 'GET /master/state');
  assert.deepEqual(
    { ...headers },
    {
      host: `127.0.0.1:${master.port}`,
      connection: 'close',
      accept: 'application/json',
      'accept-encoding': 'gzip',
      'user-agent': 'hoplite/0.0.0',
    },
  );
});

test('the duration is counted from the call to the last byte', async (t) => {
  const clock = new ManualClock();
  const master = await startMaster(t, (_request, response) => {
    clock.advance(1_234);
    response.end(STATE);
  });
  const state = await startClient(t, {}, { clock }).fetchState(master, NEVER);
  assert.equal(state.durationMs, 1_234);
  assert.equal(clock.pending, 0);
});

test(
  'a master on IPv6 is asked, and named with brackets when it fails',
  { skip: lacksIpv6 },
  async (t) => {
    const master = await startMaster(t, (_request, response) => response.end(STATE), {
      host: '::1',
    });
    const client = startClient(t);
    const state = await client.fetchState(master, NEVER);
    assert.equal(textOf(state), STATE);
    assert.deepEqual(state.answeredBy, { host: '::1', port: master.port });
    assert.equal(master.requests[0]!.headers.host, `[::1]:${master.port}`);
    await assert.rejects(
      client.fetchState({ host: '::1', port: 1 }, NEVER),
      daemonError('master-unreachable', /^master \[::1\]:1: connection refused \(ECONNREFUSED\)$/),
    );
  },
);

test('a master may be given by name', async (t) => {
  const master = await startMaster(t, (_request, response) => response.end(STATE));
  const named = { host: 'localhost', port: master.port };
  const state = await startClient(t).fetchState(named, NEVER);
  assert.deepEqual(state.answeredBy, named);
});

test('a host that is no host is unreachable and nothing worse', async (t) => {
  for (const host of ['no such host', 'a/b', '', 'fe80::1%lo', 'x@y']) {
    await assert.rejects(
      startClient(t).fetchState({ host, port: 5050 }, NEVER),
      daemonError('master-unreachable', /^master /),
      host,
    );
  }
});

// Redirects

test('S05: a real non-leader leads to the leader at its own port', async (t) => {
  const leader = await startMaster(t, (_request, response) => response.end(STATE));
  const bytes = recordedRedirect('state-redirect-of-non-leader', leader);
  const state = await startClient(t).fetchState(await startRecorded(t, bytes), NEVER);
  assert.equal(textOf(state), STATE);
  assert.deepEqual(state.answeredBy, { host: '127.0.0.1', port: leader.port });
  assert.equal(leader.requests[0]!.url, '/master/state');
});

test('a real redirect without a path means the same path at the leader', async (t) => {
  const leader = await startMaster(t, (_request, response) => response.end(STATE));
  const bytes = recordedRedirect('redirect-without-path', leader);
  await startClient(t).fetchState(await startRecorded(t, bytes), NEVER);
  assert.equal(leader.requests[0]!.url, '/master/state');
});

for (const status of [301, 302, 303, 307, 308]) {
  test(`status ${status} is followed with GET`, async (t) => {
    const leader = await startMaster(t, (_request, response) => response.end(STATE));
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(status, { location: `http://127.0.0.1:${leader.port}/master/state` });
      response.end('moved');
    });
    assert.equal(textOf(await startClient(t).fetchState(master, NEVER)), STATE);
    assert.equal(leader.requests[0]!.method, 'GET');
  });
}

test('a path as Location stays at the same master', async (t) => {
  const master = await startMaster(t, (request, response) => {
    if (request.url === '/elsewhere/state') response.end(STATE);
    else response.writeHead(307, { location: '/elsewhere/state' }).end();
  });
  assert.equal(textOf(await startClient(t).fetchState(master, NEVER)), STATE);
});

test('credentials go along to the leader', async (t) => {
  const leader = await startMaster(t, (_request, response) => response.end(STATE));
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(307, { location: `//127.0.0.1:${leader.port}/master/state` }).end();
  });
  const auth = { kind: 'basic', principal: 'hoplite', secret: SECRET } as const;
  await startClient(t, { auth }).fetchState(master, NEVER);
  const expected = `Basic ${Buffer.from(`hoplite:${SECRET}`).toString('base64')}`;
  assert.equal(master.requests[0]!.headers.authorization, expected);
  assert.equal(leader.requests[0]!.headers.authorization, expected);
});

test('two masters that each call the other the leader are a circle', async (t) => {
  const first: { port?: number } = {};
  const second = await startMaster(t, (_request, response) => {
    response.writeHead(307, { location: `//127.0.0.1:${first.port ?? 0}` }).end();
  });
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(307, { location: `//127.0.0.1:${second.port}` }).end();
  });
  first.port = master.port;
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-redirect', new RegExp(`circle over 127.0.0.1:${master.port}$`)),
  );
  assert.equal(master.requests.length + second.requests.length, 2);
});

test('five redirects are followed, a sixth is not', async (t) => {
  const master = await startMaster(t, (request, response) => {
    const step = Number(/\d+$/.exec(request.url ?? '')?.[0] ?? 0);
    if (step === 5 && request.headers['user-agent'] === 'five') response.end(STATE);
    else response.writeHead(307, { location: `/step/${step + 1}` }).end();
  });
  const five = startClient(t, {}, { userAgent: 'five' });
  assert.equal(textOf(await five.fetchState(master, NEVER)), STATE);
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-redirect', /number 6 in a row/),
  );
  assert.equal(master.requests.length, 12);
});

const BAD_LOCATIONS: readonly (readonly [what: string, locations: readonly string[]])[] = [
  ['no Location', []],
  ['a Location that is no URL', ['http://[']],
  ['a Location that is not HTTP', ['ftp://127.0.0.1/state']],
  ['two Locations', ['//127.0.0.1:1/a', '//127.0.0.1:1/b']],
];

for (const [what, locations] of BAD_LOCATIONS) {
  test(`a redirect with ${what} is refused`, async (t) => {
    const master = await startMaster(t, (_request, response) => {
      if (locations.length > 0) response.setHeader('location', locations);
      response.writeHead(307).end();
    });
    await assert.rejects(
      startClient(t).fetchState(master, NEVER),
      daemonError('master-redirect', /^master 127\.0\.0\.1:\d+: redirect refused: it /),
    );
  });
}

// Statuses

test('S04: a 500 with a valid state body is refused', async (t) => {
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(500, { 'content-type': 'application/json' }).end(STATE);
  });
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-status', /^master 127\.0\.0\.1:\d+: status 500: \{"frameworks"/),
  );
});

for (const status of [201, 204, 206, 300, 304, 400, 404, 406, 429, 503]) {
  test(`S04: status ${status} does not count`, async (t) => {
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(status).end(status === 204 || status === 304 ? '' : STATE);
    });
    await assert.rejects(
      startClient(t).fetchState(master, NEVER),
      daemonError('master-status', new RegExp(`: status ${status}\\b`)),
    );
  });
}

test('a real master without a leader is quoted', async (t) => {
  const master = await startRecorded(t, recordedResponse('no-leader-elected'));
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-status', /: status 503: No leader elected$/),
  );
  const gone = await startRecorded(t, recordedResponse('state-json-not-found'));
  await assert.rejects(
    startClient(t).fetchState(gone, NEVER),
    daemonError('master-status', /: status 404: 404 Not Found\.$/),
  );
});

test('an error body is quoted on one line, printable and short', async (t) => {
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(500).end(`\u001b[31mred\r\n\u0000 alert ${'x'.repeat(1e6)}`);
  });
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-status', /: status 500: \[31mred alert x{86}\.\.\.$/),
  );
});

test('an error body that breaks off does not hide the status', async (t) => {
  const master = await startRawMaster(t, (socket) => {
    socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\nonly this');
  });
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-status', /: status 502/),
  );
});

for (const status of [401, 403]) {
  test(`status ${status} means that the credentials are refused, and asks no second time`, async (t) => {
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(status).end('go away');
    });
    const auth = { kind: 'basic', principal: 'hoplite', secret: SECRET } as const;
    await assert.rejects(
      startClient(t, { auth }).fetchState(master, NEVER),
      daemonError('master-auth', new RegExp(`credentials refused: status ${status}: go away$`)),
    );
    assert.equal(master.requests.length, 1);
  });
}

test('a server that echoes the credentials is not quoted', async (t) => {
  const auth = { kind: 'basic', principal: 'hoplite', secret: SECRET } as const;
  const client = startClient(t, { auth });
  const echoes = [
    (header: string) => `you sent ${header}`,
    () => `your secret ${SECRET} is wrong`,
    (header: string) => `${'x'.repeat(85)} ${header}`,
  ];
  for (const echo of echoes) {
    const master = await startMaster(t, (request, response) => {
      response.writeHead(500).end(echo(request.headers.authorization ?? ''));
    });
    await assert.rejects(
      client.fetchState(master, NEVER),
      daemonError('master-status', /: status 500$/),
    );
  }
});

// Connections

test('nobody listening is said as it is', async (t) => {
  await assert.rejects(
    startClient(t).fetchState({ host: '127.0.0.1', port: 1 }, NEVER),
    (error: Error) => {
      assert.match(error.message, /^master 127\.0\.0\.1:1: connection refused \(ECONNREFUSED\)$/);
      assert.ok(error.cause instanceof Error);
      return true;
    },
  );
});

test('a name that does not exist is said as it is', async (t) => {
  await assert.rejects(
    startClient(t).fetchState({ host: 'master.invalid', port: 5050 }, NEVER),
    daemonError('master-unreachable', /^master master\.invalid:5050: the host name .*\(E\w+\)$/),
  );
});

test('a reset connection is said as it is', async (t) => {
  const master = await startRawMaster(t, (socket) => socket.resetAndDestroy());
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-unreachable', /: connection (reset|closed)/),
  );
});

test('a connection that closes without an answer is said as it is', async (t) => {
  const master = await startRawMaster(t, (socket) => socket.end());
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-unreachable', /: connection closed before the answer was complete/),
  );
});

test('an answer that is not HTTP is said to be none, and not passed on', async (t) => {
  const master = await startRawMaster(t, (socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'));
  await assert.rejects(startClient(t).fetchState(master, NEVER), (error: Error) => {
    assert.match(error.message, /^master 127\.0\.0\.1:\d+: the answer is not HTTP$/);
    assert.equal(error.cause, undefined);
    return true;
  });
});

test('headers without end are refused', async (t) => {
  const master = await startRawMaster(t, (socket) => {
    socket.on('error', () => undefined);
    socket.write(`HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(100_000)}`);
  });
  await assert.rejects(
    startClient(t).fetchState(master, NEVER),
    daemonError('master-unreachable', /: the headers of the answer are too long/),
  );
});

test('no more than two connections to one master are open at a time', async (t) => {
  let open = 0;
  let most = 0;
  const master = await startMaster(t, (request, response) => {
    open += 1;
    most = Math.max(most, open);
    request.socket.once('close', () => (open -= 1));
    // Long enough for a third connection to show up, if there were one.
    setTimeout(() => response.end(STATE), 20);
  });
  const client = startClient(t);
  await Promise.all(Array.from({ length: 10 }, () => client.fetchState(master, NEVER)));
  assert.equal(master.requests.length, 10);
  assert.ok(most <= 2, `${most} were open`);
});
