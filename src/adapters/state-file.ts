import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { err, ok, type Result } from '../core/base/result.ts';
import type { HostPort } from '../core/config/config.ts';

/*
 * The file that outlives the daemon:
 *
 *   {"format":"hoplite-state","version":1,"kind":"state","takenAt":…,…}   one line of JSON
 *   gzip data: what the master said, octet for octet
 */

/** What a saved state says of itself. */
export interface StateFileHeader {
  /** `state`: of `/state`; `get-state`: of the operator API's GET_STATE. */
  readonly kind: 'state' | 'get-state';
  /** When the master told it, wall-clock milliseconds. */
  readonly takenAt: number;
  readonly leader: HostPort;
  /** Agents that it has. */
  readonly agents: number;
  /** Length of the body before compression. */
  readonly bytes: number;
  /** SHA-256 of the body, hexadecimal. */
  readonly digest: string;
}

/** A header with the body that it speaks of. */
export interface StateFile {
  readonly header: StateFileHeader;
  readonly body: Uint8Array<ArrayBuffer>;
}

const FORMAT = 'hoplite-state';
const VERSION = 1;
/** Ours have some 300 bytes: the longest host name is in them. */
const HEADER_BYTES_MAX = 4096;
/** Levels above make it a fifth smaller and take three times as long. */
const GZIP_LEVEL = 1;
/** What is hashed or compressed at a time: milliseconds, between which others get their turn. */
const SLICE_BYTES = 1_048_576;
/** It has all that a state has, environments of executors among it: nobody else may read it. */
const MODE = 0o600;

/** SHA-256 of a body, hexadecimal; lets others work meanwhile. */
export async function digestOf(body: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (const slice of slicesOf(body)) {
    hash.update(slice);
    await nextTurn();
  }
  return hash.digest('hex');
}

/**
 * Replaces the file at `path` as a whole, by way of one beside it: whoever reads it, after a loss of
 * power too, finds the old state or the new one. Rejects with the error of the file system.
 */
export async function writeStateFile(
  path: string,
  header: StateFileHeader,
  body: Uint8Array,
): Promise<void> {
  const temporary = `${path}.new`;
  // Left by a daemon that was killed. `wx` then follows no link that somebody put there.
  await rm(temporary, { force: true });
  try {
    const handle = await open(temporary, 'wx', MODE);
    try {
      await writeFile(handle, contentOf(header, body));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** What the file says of itself; null: there is none. The error says why it cannot be used. */
export async function readStateHeader(
  path: string,
): Promise<Result<StateFileHeader, string> | null> {
  return withFile(path, async (handle) => {
    const found = await readHeader(handle);
    return found.ok ? ok(found.value.header) : found;
  });
}

/**
 * The whole file, if its body has `bytesMax` bytes at most and is what the header says; null: there
 * is none. Never more memory than that, whatever the file holds.
 */
export async function readStateFile(
  path: string,
  bytesMax: number,
): Promise<Result<StateFile, string> | null> {
  return withFile(path, async (handle, sizeBytes) => {
    const found = await readHeader(handle);
    if (!found.ok) return found;
    const { header, length } = found.value;
    if (header.bytes > bytesMax) return err(`holds a state of more than ${bytesMax} bytes`);
    // gzip can hold any number of blocks that hold nothing.
    if (sizeBytes > bytesMax + HEADER_BYTES_MAX) return err(`has more than ${bytesMax} bytes`);
    const body = await readBody(handle, length, header.bytes);
    if (!body.ok) return body;
    if ((await digestOf(body.value)) !== header.digest) return err('is damaged: wrong checksum');
    return ok({ header, body: body.value });
  });
}

async function* contentOf(header: StateFileHeader, body: Uint8Array): AsyncGenerator<Uint8Array> {
  const line = JSON.stringify({ format: FORMAT, version: VERSION, ...header });
  yield Buffer.from(`${line}\n`);
  const gzip = createGzip({ level: GZIP_LEVEL });
  // A failure destroys gzip, so it is seen by whoever iterates.
  const fed = pipeline(slicesOf(body), gzip);
  fed.catch(() => undefined);
  try {
    for await (const chunk of gzip) yield chunk as Uint8Array;
  } finally {
    gzip.destroy();
  }
}

function* slicesOf(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < body.length; at += SLICE_BYTES) yield body.subarray(at, at + SLICE_BYTES);
}

/** Makes the new name last too. Not every file system can, and then it is as good as it gets. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // The file itself is complete in any case.
  }
}

/** Opens a regular file for `read`; a failure becomes the text of an error. */
async function withFile<T>(
  path: string,
  read: (handle: FileHandle, sizeBytes: number) => Promise<Result<T, string>>,
): Promise<Result<T, string> | null> {
  try {
    // A pipe would keep us waiting for somebody to write into it.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat();
      return stat.isFile() ? await read(handle, stat.size) : err('is not a regular file');
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return code === 'ENOENT' ? null : err(`cannot be read (${code})`);
  }
}

interface FoundHeader {
  readonly header: StateFileHeader;
  /** Where the body begins. */
  readonly length: number;
}

async function readHeader(handle: FileHandle): Promise<Result<FoundHeader, string>> {
  const start = Buffer.alloc(HEADER_BYTES_MAX);
  const { bytesRead } = await handle.read(start, 0, HEADER_BYTES_MAX, 0);
  const end = start.subarray(0, bytesRead).indexOf('\n');
  if (end < 0) return err('is not a saved state');
  const header = parseHeader(start.toString('utf8', 0, end));
  return header.ok ? ok({ header: header.value, length: end + 1 }) : header;
}

function parseHeader(line: string): Result<StateFileHeader, string> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return err('is not a saved state');
  }
  const fields = value as Readonly<Record<string, unknown>> | null;
  if (typeof fields !== 'object' || fields?.['format'] !== FORMAT) {
    return err('is not a saved state');
  }
  if (fields['version'] !== VERSION) {
    return err(`is of version ${JSON.stringify(fields['version'])}, and not ${VERSION}`);
  }
  const header = headerFrom(fields);
  return header === null ? err('is damaged: wrong header') : ok(header);
}

function headerFrom(fields: Readonly<Record<string, unknown>>): StateFileHeader | null {
  const { kind, takenAt, agents, bytes, digest } = fields;
  const leader = fields['leader'] as Readonly<Record<string, unknown>> | null | undefined;
  const { host, port } = leader ?? {};
  if (kind !== 'state' && kind !== 'get-state') return null;
  if (!isCount(takenAt) || !isCount(agents) || !isCount(bytes) || !isCount(port)) return null;
  if (typeof host !== 'string' || typeof digest !== 'string') return null;
  return { kind, takenAt, leader: { host, port }, agents, bytes, digest };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Decompresses exactly `bytes` bytes, and stops as soon as there are more. */
async function readBody(
  handle: FileHandle,
  start: number,
  bytes: number,
): Promise<Result<Uint8Array<ArrayBuffer>, string>> {
  const body = new Uint8Array(bytes);
  let seen = 0;
  const file = handle.createReadStream({ start, autoClose: false });
  try {
    await pipeline(file, createGunzip(), async (chunks: AsyncIterable<Uint8Array>) => {
      for await (const chunk of chunks) {
        const at = seen;
        seen += chunk.length;
        if (seen > bytes) return;
        body.set(chunk, at);
      }
    });
  } catch (error) {
    // A pipeline that is left early fails; that is what was wanted.
    if (seen <= bytes) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (!code.startsWith('Z_')) throw error;
      return err('is damaged: broken gzip data');
    }
  }
  return seen === bytes ? ok(body) : err('is damaged: wrong length');
}
