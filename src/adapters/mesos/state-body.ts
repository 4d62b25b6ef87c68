import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DaemonError } from '../../core/base/daemon-error.ts';

/** A body in pieces; each piece is alone in its `ArrayBuffer`, which can go to a worker uncopied. */
export interface CollectedBody {
  readonly chunks: readonly Uint8Array<ArrayBuffer>[];
  readonly bytes: number;
}

/** The part of a response that says how its body is to be read. */
export interface EncodedBody {
  readonly body: Readable;
  /** Values of Content-Encoding and Content-Length; null when absent. */
  readonly contentEncoding: string | null;
  readonly contentLength: string | null;
}

/** Piece size: a state of 18 MB is some 70 pieces, and one that is hardly used wastes little. */
const CHUNK_BYTES = 262_144;

/** Compressed bytes read for the beginning of a body; gzip may begin with much that says nothing. */
const BEGINNING_ENCODED_BYTES_MAX = 1_048_576;

const ignore = (): void => undefined;

/** Drops a body that nobody will read, with its connection. */
export function discardBody(body: Readable): void {
  body.on('error', ignore);
  body.destroy();
}

function tooLarge(bytesMax: number): DaemonError {
  return new DaemonError('master-body-too-large', `the state has more than ${bytesMax} bytes`);
}

/** Passes bytes on and stops at the limit. */
async function* atMost(
  source: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    yield chunk;
  }
}

/** A gzip error is the sender's; everything else is the connection's and stays as it is. */
function gzipFailure(error: unknown): unknown {
  const broken = error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
  if (!broken) return error;
  return new DaemonError('state-invalid', 'the gzip data is broken', { cause: error });
}

async function* gunzipped(body: Readable, bytesMax: number): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 65_536 });
  // Compressed bytes are counted too: gzip can hold any number of blocks that hold nothing.
  const fed = pipeline(body, (source) => atMost(source, bytesMax), gunzip);
  // A failure destroys gunzip, so it is seen by whoever iterates.
  fed.catch(ignore);
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array;
  } catch (error) {
    throw gzipFailure(error);
  } finally {
    discardBody(body);
    gunzip.destroy();
  }
}

function decoded(encoded: EncodedBody, bytesMax: number): AsyncIterable<Uint8Array> {
  switch (encoded.contentEncoding?.trim().toLowerCase() ?? '') {
    case '':
    case 'identity':
      return encoded.body;
    case 'gzip':
    case 'x-gzip': // RFC 9110 §8.4.1.3: the same
      return gunzipped(encoded.body, bytesMax);
    default:
      discardBody(encoded.body);
      throw new DaemonError('state-invalid', 'the body has an encoding that was not asked for');
  }
}

/** Copies pieces of any size into pieces of our own: those of sockets and zlib share buffers. */
function createChunkStore(): { add(bytes: Uint8Array): void; finish(): CollectedBody } {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let chunk = new Uint8Array(CHUNK_BYTES);
  let used = 0;
  let total = 0;
  return {
    add: (bytes) => {
      total += bytes.byteLength;
      for (let from = 0; from < bytes.byteLength;) {
        const part = bytes.subarray(from, from + CHUNK_BYTES - used);
        chunk.set(part, used);
        used += part.byteLength;
        from += part.byteLength;
        if (used < CHUNK_BYTES) continue;
        chunks.push(chunk);
        chunk = new Uint8Array(CHUNK_BYTES);
        used = 0;
      }
    },
    finish: () => {
      if (used > 0) chunks.push(chunk.slice(0, used));
      return { chunks, bytes: total };
    },
  };
}

/**
 * Reads a whole body, decompressed while it comes. Rejects with `master-body-too-large` as soon as
 * more than `bytesMax` decompressed bytes are certain, with `state-invalid` for broken gzip, and
 * with whatever the connection failed with.
 */
export async function collectBody(encoded: EncodedBody, bytesMax: number): Promise<CollectedBody> {
  // Holds for gzip too: it makes nothing longer by more than some bytes in a thousand.
  if (Number(encoded.contentLength ?? 0) > bytesMax) {
    discardBody(encoded.body);
    throw tooLarge(bytesMax);
  }
  const store = createChunkStore();
  try {
    for await (const chunk of atMost(decoded(encoded, bytesMax), bytesMax)) store.add(chunk);
  } finally {
    discardBody(encoded.body);
  }
  return store.finish();
}

/** The first `bytesMax` bytes or more of a body as text; what cannot be read is left out. */
export async function beginningOfBody(encoded: EncodedBody, bytesMax: number): Promise<string> {
  let bytes = Buffer.alloc(0);
  try {
    for await (const chunk of decoded(encoded, BEGINNING_ENCODED_BYTES_MAX)) {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.byteLength >= bytesMax) break;
    }
  } catch {
    // The status is the news; a body that breaks off after it adds nothing.
  } finally {
    discardBody(encoded.body);
  }
  return bytes.toString('utf8');
}
