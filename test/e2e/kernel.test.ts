// The tests of test/kernel, each reported as a test of this file. They need root and a kernel with
// IPVS, so each file runs in a User-Mode Linux of its own, and again in namespaces of this machine
// if its kernel has IPVS and we are root.
//
//   npm test -- kernel               all of them
//   npm test -- test/kernel/drain    one file
import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type GuestEnd,
  GUESTS_MAX,
  missingGuest,
  missingNativeIpvs,
  runGuest,
  type Vehicle,
} from '../support/guest.ts';
import type { GuestEvent } from '../support/guest-event.ts';
import { projectFiles } from '../support/project.ts';

/** What these change belongs to the whole machine, so that they run in guests alone. */
const GUEST_ONLY = ['modules.test.ts'];
/** They take longest, in this order: whoever starts last should be short. */
const FIRST = ['scale', 'restart', 'drift', 'end-to-end', 'drain', 'rolling-deploy'];

const build = fileURLToPath(new URL('../kernel/', import.meta.url));
const wanted = (process.env['HOPLITE_KERNEL_TESTS'] ?? '').split(' ').filter(Boolean);
const files = projectFiles('test/kernel')
  .filter((path) => path.endsWith('.test.ts'))
  .filter((path) => wanted.length === 0 || wanted.includes(path))
  .map((path) => basename(path))
  .sort((a, b) => rank(a) - rank(b));

function rank(file: string): number {
  const place = FIRST.findIndex((start) => file.startsWith(start));
  return place < 0 ? FIRST.length : place;
}

suite('in User-Mode Linux', { concurrency: GUESTS_MAX, skip: missingGuest() }, () => {
  for (const file of files) test(file, (t) => runFile(t, 'uml', file));
});

if (missingNativeIpvs() === false) {
  suite("in this machine's own kernel", { concurrency: GUESTS_MAX }, () => {
    for (const file of files.filter((name) => !GUEST_ONLY.includes(name))) {
      test(file, (t) => runFile(t, 'native', file));
    }
  });
}

type Result = Exclude<GuestEvent, { kind: 'start' | 'note' | 'end' | 'exit' }>;

interface Open {
  readonly name: string;
  readonly settle: (result: Result) => void;
  readonly reported: Promise<void>;
}

/** Runs a file in a guest; each of its tests becomes a test of ours as soon as it starts. */
async function runFile(t: TestContext, vehicle: Vehicle, file: string): Promise<void> {
  const open: Open[] = [];
  const reported: Promise<void>[] = [];
  let failures = 0;
  const onEvent = (event: GuestEvent): void => {
    if (event.kind === 'exit' || event.kind === 'end') return;
    if (event.kind === 'note') {
      t.diagnostic(event.text);
      return;
    }
    if (event.kind === 'start') {
      const one = openTest(t, event.name);
      open.push(one);
      reported.push(one.reported);
      return;
    }
    // The innermost of the name: a test ends before what it is a part of.
    const place = open.findLastIndex(({ name }) => name === event.name);
    const one = open.splice(place < 0 ? open.length : place, 1)[0] ?? openTest(t, event.name);
    one.settle(event);
    if (event.kind === 'fail') failures += 1;
    reported.push(one.reported);
  };
  const compiled = join(build, file.replace(/\.ts$/, '.js'));
  const end = await runGuest({ vehicle, file: compiled }, onEvent);
  const text = describeEnd(end);
  for (const { name, settle } of open) settle({ kind: 'fail', name, durationMs: 0, text });
  await Promise.all(reported);
  assert.ok(reported.length > 0, `${file} holds a test that was run\n${text}`);
  assert.ok(end.isComplete, `${file} came to its end\n${text}`);
  assert.equal(end.killed, null, text);
  // Most often a failure of the file that belongs to no test.
  assert.ok(end.status === 0 || failures > 0, text);
}

function openTest(t: TestContext, name: string): Open {
  let settle: (result: Result) => void = () => undefined;
  const result = new Promise<Result>((resolve) => (settle = resolve));
  const reported = t.test(name, async (t) => {
    const { kind, ...rest } = await result;
    if (kind === 'skip' && 'text' in rest) t.skip(rest.text);
    if (kind === 'fail' && 'text' in rest) throw failure(rest.text);
  });
  return { name, settle: (value) => settle(value), reported: Promise.resolve(reported) };
}

/** What failed is in the guest; a stack of ours would only hide it. */
function failure(text: string): Error {
  const error = new Error(text);
  error.stack = text;
  return error;
}

function describeEnd({ status, killed, console }: GuestEnd): string {
  const how = killed ?? (status === null ? 'the guest ended early' : `exit status ${status}`);
  return `${how}; its console ends with:\n${console}`;
}
