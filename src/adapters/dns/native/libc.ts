import { constants } from 'node:os';
import type koffi from 'koffi';
import { err, ok, type Result } from '../../../core/base/result.ts';

/** What we use of npm `koffi`. */
export type Koffi = Pick<typeof koffi, 'load' | 'errno' | 'address'>;

/**
 * Functions of the C library, each as in its manual page: -1 is a failure, whose number `errno()`
 * gives. Memory that the kernel follows pointers into is passed by address; see `addressOf`.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Uint8Array,
  ): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  recvmmsg(fd: number, headers: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, headers: number, count: number, flags: number): number;
  sendmsg(fd: number, header: number, flags: number): number;
  poll(entries: number, count: number, timeoutMs: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  /** Of the last call of this thread that failed. */
  errno(): number;
  /** Stays true while `memory` is referenced: array buffers do not move. */
  addressOf(memory: Uint8Array): number;
}

/** The machine as far as it decides whether C functions can be called; tests pass their own. */
export interface NativeHost {
  readonly platform: string;
  readonly arch: string;
  importKoffi(): Promise<Koffi>;
}

const THIS_HOST: NativeHost = {
  platform: process.platform,
  arch: process.arch,
  importKoffi: async () => (await import('koffi')).default,
};

/** Name of the processor in the file name of musl's library; also: whose layouts we know. */
const MUSL_ARCH: Readonly<Partial<Record<string, string>>> = { x64: 'x86_64', arm64: 'aarch64' };

/** Where a function of the C library is called, in C. */
const DECLARATIONS = {
  socket: 'int socket(int domain, int type, int protocol)',
  bind: 'int bind(int fd, void *address, uint length)',
  setsockopt: 'int setsockopt(int fd, int level, int name, void *value, uint length)',
  getsockopt: 'int getsockopt(int fd, int level, int name, void *value, void *length)',
  getsockname: 'int getsockname(int fd, void *address, void *length)',
  recvmmsg: 'int recvmmsg(int fd, uintptr_t headers, uint count, int flags, uintptr_t timeout)',
  sendmmsg: 'int sendmmsg(int fd, uintptr_t headers, uint count, int flags)',
  sendmsg: 'long sendmsg(int fd, uintptr_t header, int flags)',
  poll: 'int poll(uintptr_t entries, ulong count, int timeout)',
  shutdown: 'int shutdown(int fd, int how)',
  close: 'int close(int fd)',
} as const;

/**
 * Loads the C library through koffi, whose binary part may be missing: then, and on systems whose
 * structures we do not know, the error says why.
 */
export async function loadLibc(host: NativeHost = THIS_HOST): Promise<Result<Libc, string>> {
  const muslArch = MUSL_ARCH[host.arch];
  if (host.platform !== 'linux' || muslArch === undefined) {
    return err(`not available: needs Linux on x64 or arm64, not ${host.platform} on ${host.arch}`);
  }
  try {
    const binding = await host.importKoffi();
    return ok(declare(binding, ['libc.so.6', `libc.musl-${muslArch}.so.1`]));
  } catch (error) {
    return err(`not available: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function declare(binding: Koffi, names: readonly string[]): Libc {
  const library = loadFirst(binding, names);
  // koffi types no functions; that these fit the interface is what DECLARATIONS say.
  const functions = Object.fromEntries(
    Object.entries(DECLARATIONS).map(([name, text]) => [name, library.func(text)]),
  ) as unknown as Pick<Libc, keyof typeof DECLARATIONS>;
  return {
    ...functions,
    errno: () => binding.errno(),
    addressOf(memory) {
      // User memory ends far below 2^53 on both processors, so a number holds any address.
      return Number(binding.address(memory));
    },
  };
}

function loadFirst(binding: Koffi, names: readonly string[]): ReturnType<Koffi['load']> {
  const failures: string[] = [];
  for (const name of names) {
    try {
      return binding.load(name);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`no C library: ${failures.join('; ')}`);
}

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  // Of two names for one number the first stands: EAGAIN, not EWOULDBLOCK.
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** Symbol of an error number of this system, such as `EADDRINUSE`; `errno-999` without one. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno-${errno}`;
}

/** A failed call as an error that has the symbol as its `code`, like those of Node. */
export function systemError(call: string, errno: number): Error {
  const code = errnoName(errno);
  return Object.assign(new Error(`${call} ${code}`), { code, errno, syscall: call });
}
