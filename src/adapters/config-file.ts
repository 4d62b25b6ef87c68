import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';

import { err, ok } from '../core/base/result.ts';
import type { Result } from '../core/base/result.ts';
import type { ConfigProblem } from '../core/config/config.ts';

/** The text of a configuration file and where it stands. */
export interface ConfigFile {
  /** Absolute path. */
  readonly file: string;
  readonly text: string;
}

/** Real files have some kilobytes; this stops `--config /dev/zero` and a wrong path to a log. */
export const CONFIG_BYTES_MAX = 1_048_576;

/**
 * Reads a configuration file (UTF-8, a byte order mark is dropped); `path` may be relative. The
 * problem speaks of the file without naming it, as those of `parseConfig` do.
 */
export async function readConfigFile(path: string): Promise<Result<ConfigFile, ConfigProblem>> {
  const file = resolve(path);
  let bytes: Uint8Array;
  try {
    const handle = await open(file, 'r');
    try {
      bytes = await readAtMost(handle, CONFIG_BYTES_MAX + 1);
    } finally {
      await handle.close();
    }
  } catch (error) {
    return problem(describeFailure(error));
  }
  if (bytes.length > CONFIG_BYTES_MAX) {
    return problem(`is larger than ${CONFIG_BYTES_MAX} bytes; is it the right file?`);
  }
  try {
    return ok({ file, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) });
  } catch {
    return problem('is not UTF-8 text; save it as UTF-8');
  }
}

/** Whether reading it once leaves it as it was; false too for what is not there. */
export async function isRegularFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Reads to the end or the limit; the size is not asked for, since pipes have none. */
async function readAtMost(handle: FileHandle, bytesMax: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(bytesMax);
  let length = 0;
  while (length < bytesMax) {
    const { bytesRead } = await handle.read(buffer, length, bytesMax - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist; check the path',
  ENOTDIR: 'does not exist: a part of the path is not a directory',
  EISDIR: 'is a directory; name the file in it',
  EACCES: 'may not be read by this user; check the owner and the mode',
  EPERM: 'may not be read by this user; check the owner and the mode',
};

function describeFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return FAILURES[code] ?? `cannot be read (${code})`;
}

function problem(message: string): Result<ConfigFile, ConfigProblem> {
  return err({ severity: 'error', path: '', message });
}
