import { closeSync, openSync, readSync } from 'node:fs';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { moduleFailure, permissionFailure } from './kernel-failure.ts';

/** The IPVS table of the network namespace of this process. */
const PATH = '/proc/net/ip_vs';
/** Some 4,000 destinations; grows as needed. */
const CAPACITY_BYTES = 256 * 1024;
/** Four million destinations: more is an accident, not a table. */
const SIZE_BYTES_MAX = 256 * 1024 * 1024;
/** The kernel gives little more than a page at a time, and more only of one large service. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Reads the table as text, into the same memory each time. Without threads: the file is made as it
 * is read, a page at a time. Throws `DaemonError` kernel-module, kernel-permission or kernel-failed.
 */
export class ProcFile {
  #bytes = new Uint8Array(CAPACITY_BYTES);

  read(): Uint8Array {
    const descriptor = openTable();
    try {
      let length = 0;
      for (;;) {
        if (this.#bytes.length - length < CHUNK_BYTES) this.#grow();
        const count = readSync(descriptor, this.#bytes, length, this.#bytes.length - length, null);
        if (count === 0) return this.#bytes.subarray(0, length);
        length += count;
      }
    } catch (error) {
      throw asFailure(error);
    } finally {
      closeSync(descriptor);
    }
  }

  #grow(): void {
    if (this.#bytes.length >= SIZE_BYTES_MAX) {
      throw new DaemonError('kernel-failed', `${PATH} is larger than ${SIZE_BYTES_MAX} octets`);
    }
    const grown = new Uint8Array(2 * this.#bytes.length);
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

function openTable(): number {
  try {
    return openSync(PATH, 'r');
  } catch (error) {
    throw asFailure(error);
  }
}

function asFailure(error: unknown): DaemonError {
  if (error instanceof DaemonError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return moduleFailure();
  if (code === 'EACCES' || code === 'EPERM') return permissionFailure();
  return new DaemonError('kernel-failed', `cannot read ${PATH}: ${code ?? String(error)}`, {
    cause: error,
  });
}
