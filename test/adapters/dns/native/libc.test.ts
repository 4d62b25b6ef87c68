import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { errnoName, loadLibc, systemError } from '../../../../src/adapters/dns/native/libc.ts';
import type { Koffi, NativeHost } from '../../../../src/adapters/dns/native/libc.ts';

const REAL: NativeHost = {
  platform: process.platform,
  arch: process.arch,
  importKoffi: async () => (await import('koffi')).default,
};
const libc = await loadLibc(REAL);
const skip = libc.ok ? false : libc.error;

test('another system is an error that names it, and koffi is not even loaded', async () => {
  const importKoffi = (): Promise<Koffi> => assert.fail('not needed');
  for (const [platform, arch] of [
    ['darwin', 'arm64'],
    ['linux', 's390x'],
  ] as const) {
    const loaded = await loadLibc({ platform, arch, importKoffi });
    const error = `not available: needs Linux on x64 or arm64, not ${platform} on ${arch}`;
    assert.deepEqual(loaded, { ok: false, error });
  }
});

test('a missing binary of koffi is an error with its message', async () => {
  const importKoffi = (): Promise<Koffi> => Promise.reject(new Error('no such module'));
  const loaded = await loadLibc({ platform: 'linux', arch: 'x64', importKoffi });
  assert.deepEqual(loaded, { ok: false, error: 'not available: no such module' });
});

test('without glibc the library of musl is tried, without both the error names both', async () => {
  const tried: string[] = [];
  const koffi = {
    load(name: string) {
      tried.push(name);
      throw new Error(`no ${name}`);
    },
  } as unknown as Koffi;
  const importKoffi = (): Promise<Koffi> => Promise.resolve(koffi);
  const loaded = await loadLibc({ platform: 'linux', arch: 'arm64', importKoffi });
  assert.deepEqual(tried, ['libc.so.6', 'libc.musl-aarch64.so.1']);
  assert.match(loaded.ok ? '' : loaded.error, /no libc\.so\.6; no libc\.musl-aarch64\.so\.1/);
});

test('a failed call gives -1 and its error number', { skip }, () => {
  assert.ok(libc.ok);
  assert.equal(libc.value.close(-1), -1);
  assert.equal(libc.value.errno(), constants.errno.EBADF);
});

test('memory has one address, and its parts have theirs behind it', { skip }, () => {
  assert.ok(libc.ok);
  const memory = new Uint8Array(128);
  const address = libc.value.addressOf(memory);
  assert.ok(address > 0 && Number.isSafeInteger(address));
  assert.equal(libc.value.addressOf(memory.subarray(100)), address + 100);
});

test('error numbers have the names that people look for', { skip }, () => {
  assert.equal(errnoName(constants.errno.EAGAIN), 'EAGAIN');
  assert.equal(errnoName(constants.errno.EMSGSIZE), 'EMSGSIZE');
  assert.equal(errnoName(9_999), 'errno-9999');
  const error = systemError('bind', constants.errno.EADDRINUSE);
  assert.equal(error.message, 'bind EADDRINUSE');
  assert.equal('code' in error && error.code, 'EADDRINUSE');
});
