import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLog } from '../../src/adapters/log.ts';
import type { DaemonLog } from '../../src/adapters/log.ts';
import { DaemonError } from '../../src/core/base/daemon-error.ts';
import type { LogLevel } from '../../src/core/config/config.ts';
import type { LogFields } from '../../src/core/ports.ts';

type Line = Record<string, unknown>;

function collect(level: LogLevel = 'debug'): {
  log: DaemonLog;
  text: string[];
  lines: () => Line[];
} {
  const text: string[] = [];
  const log = createLog({ level, destination: { write: (line) => void text.push(line) } });
  return { log, text, lines: () => text.map((line) => JSON.parse(line) as Line) };
}

function lineOf(fields: LogFields): Line {
  const { log, lines } = collect();
  log.info('something-happened', fields);
  const [line] = lines();
  assert.ok(line !== undefined);
  return line;
}

test('a fact is one JSON line with ISO time, the level as a word, the event and the fields', () => {
  const { log, text } = collect();
  log.warn('poll-failed', { attempt: 3, master: '10.0.0.1:5050' });
  assert.equal(text.length, 1);
  assert.match(
    text[0] ?? '',
    /^\{"level":"warn","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","event":"poll-failed","attempt":3,"master":"10\.0\.0\.1:5050"\}\n$/,
  );
});

test('each method writes its level', () => {
  const { log, lines } = collect();
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]('x');
  assert.deepEqual(
    lines().map(({ level }) => level),
    ['debug', 'info', 'warn', 'error'],
  );
});

test('a new level applies to the log and to the children it already has', () => {
  const { log, lines } = collect('info');
  const child = log.child({ component: 'poller' });
  child.debug('before');
  log.setLevel('debug');
  child.debug('between');
  child.setLevel('error');
  log.warn('after');
  assert.deepEqual(
    lines().map(({ event }) => event),
    ['between'],
  );
});

test('a child adds its fields to each line, and a line may say otherwise', () => {
  const { log, lines } = collect();
  const child = log.child({ component: 'http' }).child({ listener: '127.0.0.1:8123' });
  child.info('a');
  child.info('b', { component: 'other' });
  assert.deepEqual(
    lines().map(({ component, listener }) => [component, listener]),
    [
      ['http', '127.0.0.1:8123'],
      ['other', '127.0.0.1:8123'],
    ],
  );
});

test('fields cannot take the place of time, level and event', () => {
  const line = lineOf({ time: 1, level: 'fatal', event: 'forged' });
  assert.equal(line['event'], 'something-happened');
  assert.equal(line['level'], 'info');
  assert.deepEqual([line['time_'], line['level_'], line['event_']], [1, 'fatal', 'forged']);
});

test('an error is written with name, code, message and its causes', () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5050'), {
    code: 'ECONNREFUSED',
  });
  const { err } = lineOf({
    err: new DaemonError('master-unreachable', 'no connection', { cause }),
  });
  assert.deepEqual(err, {
    name: 'DaemonError',
    message: 'no connection',
    code: 'master-unreachable',
    cause: { name: 'Error', message: cause.message, code: 'ECONNREFUSED' },
  });
});

test('an error without a code is written with its stack, since nothing else says where', () => {
  const { err } = lineOf({ err: new TypeError('x is undefined') }) as { err: { stack: string } };
  assert.match(err.stack, /^TypeError: x is undefined\n\s+at /);
});

test('the errors of an AggregateError are listed', () => {
  const each = ['::1', '127.0.0.1'].map((address) =>
    Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED' }),
  );
  const { err } = lineOf({ err: new AggregateError(each) }) as { err: { errors: unknown[] } };
  assert.equal(err.errors.length, 2);
  assert.match(JSON.stringify(err.errors), /ECONNREFUSED ::1.*ECONNREFUSED 127\.0\.0\.1/);
});

const SECRET = 'hunter2-correct-horse';

test('values under secret names are replaced at any depth', () => {
  const names = ['secret', 'token', 'Authorization', 'private_key', 'password', 'privateKey'];
  for (const name of names) {
    const { log, text } = collect();
    log.info('x', {
      [name]: SECRET,
      config: { auth: [{ [name]: SECRET }, { deeper: { [name]: { value: SECRET } } }] },
    });
    assert.ok(!text.join('').includes(SECRET), name);
    assert.ok(text.join('').includes('[redacted]'), name);
  }
  assert.equal(lineOf({ password: null })['password'], null);
});

test('credentials inside texts, also of errors and their causes, are replaced', () => {
  const texts = [
    `request to http://mesos-dns:${SECRET}@10.0.0.1:5050/state failed`,
    `authorization: Basic ${SECRET}`,
    `"authorization": "token=${SECRET}"`,
    `sent Bearer ${SECRET}`,
    `GET /login?uid=a&password=${SECRET}&x=1`,
  ];
  for (const text of texts) {
    const cause = new Error(text);
    const line = JSON.stringify(
      lineOf({
        text,
        list: [text],
        err: new Error(text, { cause }),
        coded: Object.assign(cause, { code: text }),
      }),
    );
    assert.ok(!line.includes(SECRET), line);
  }
});

test('a line stays readable whatever an outside value holds', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const { log, text } = collect();
  log.info('x', {
    long: 'a'.repeat(1_000_000),
    many: Array.from({ length: 100_000 }, (_, index) => index),
    wide: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, index])),
    cyclic,
    bytes: new Uint8Array(1_000_000),
    serial: 10n ** 20n,
    newline: 'a\nb\u2028{"level":"fatal"}',
    missing: undefined,
  });
  assert.equal(text.length, 1);
  assert.ok((text[0] ?? '').length < 20_000, `${String(text[0]?.length)} characters`);
  assert.match(text[0] ?? '', /^[^\n]+\n$/);
  const line = JSON.parse(text[0] ?? '') as Line;
  assert.equal(line['bytes'], '<1000000 bytes>');
  assert.equal(line['serial'], '100000000000000000000');
});

test('any fields make exactly one line of JSON', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.anything({ withBigInt: true, withDate: true })),
      (fields) => {
        const { log, text } = collect();
        log.info('x', fields);
        assert.equal(text.length, 1);
        assert.match(text[0] ?? '', /^[^\n]+\n$/);
        assert.equal((JSON.parse(text[0] ?? '') as Line)['event'], 'x');
      },
    ),
    { numRuns: 500 },
  );
});

/** Runs a script that logs to its standard output; returns exit code and what it wrote. */
async function run(script: string, readOutput = true): Promise<{ code: number; output: string }> {
  const log = new URL('../../src/adapters/log.js', import.meta.url).href;
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `const { createLog } = await import(${JSON.stringify(log)});
     const log = createLog({ level: 'info' });
     ${script}`,
  ]);
  let output = '';
  if (readOutput) child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  else child.stdout.destroy();
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

test('what was logged right before the process exits is written', async () => {
  const { code, output } = await run(
    `for (let n = 0; n < 1000; n++) log.error('line', { n });
     process.exit(70);`,
  );
  assert.equal(code, 70);
  const lines = output.trimEnd().split('\n');
  assert.equal(lines.length, 1000);
  assert.equal((JSON.parse(lines.at(-1) ?? '') as Line)['n'], 999);
});

test('what was logged before an uncaught error is written', async () => {
  const { code, output } = await run(
    `for (let n = 0; n < 100; n++) log.error('line', { n });
     throw new Error('invariant');`,
  );
  assert.notEqual(code, 0);
  assert.match(output, /"n":99\}/);
});

test('flush writes what waits behind a write under way before it returns', async () => {
  const { code, output } = await run(
    `for (let n = 0; n < 100; n++) log.info('line', { n });
     log.flush();
     process.kill(process.pid, 'SIGKILL');`,
  );
  assert.equal(code, null);
  for (let n = 1; n < 100; n++) assert.ok(output.includes(`"n":${n}}`), `line ${n}`);
});

test('flush never throws, and a destination without a buffer needs none', () => {
  collect().log.flush();
  const destination = {
    write: () => undefined,
    flushSync: () => {
      throw new Error('closed');
    },
  };
  createLog({ level: 'info', destination }).flush();
});

test('a reader that goes away does not take the process down', async () => {
  const { code, output } = await run(
    `for (let n = 0; n < 50; n++) {
       log.info('line', { n });
       await new Promise((resolve) => setTimeout(resolve, 2));
     }
     process.exit(0);`,
    false,
  );
  assert.deepEqual([code, output], [0, '']);
});
