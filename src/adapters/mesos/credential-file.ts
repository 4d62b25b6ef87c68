import { closeSync, fstatSync, openSync, readSync, constants } from 'node:fs';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';

/** Longest file of keys or certificates; the bundles of operating systems have some 250 KB. */
const FILE_BYTES_MAX = 4_194_304;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'hoplite may not read it',
  ENOTDIR: 'its folder is not a folder',
};

function readBounded(file: number): Result<string, string> {
  const stats = fstatSync(file);
  if (!stats.isFile()) return err('it is not a file');
  if (stats.size > FILE_BYTES_MAX) return err(`it has more than ${FILE_BYTES_MAX} bytes`);
  const bytes = Buffer.alloc(stats.size);
  let used = 0;
  for (;;) {
    const read = readSync(file, bytes, used, bytes.byteLength - used, used);
    used += read;
    if (read === 0 || used === bytes.byteLength) return ok(bytes.toString('utf8', 0, used));
  }
}

/** Text of a file that the configuration names; the error says why it cannot be had. */
export function readCredentialFile(path: string): Result<string, string> {
  try {
    // Non-blocking: opening a named pipe must not stop the start for ever.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return readBounded(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return err(REASONS[code] ?? `reading it failed (${code})`);
  }
}
