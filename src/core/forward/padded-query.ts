import { assert } from '../base/assert.ts';
import { readU16, writeU16 } from '../dns/wire.ts';
import { hasOpt } from './upstream-query.ts';

/** Lengths of encrypted queries are multiples of this, so that they say little (RFC 8467 §4.1). */
const BLOCK_BYTES = 128;
/** Option code of EDNS padding (RFC 7830 §3). */
const PADDING = 12;
const OPTION_HEADER_BYTES = 4;

/**
 * A copy of a query of `buildUpstreamQuery` with zeros at its end, for encrypted transports. Without
 * an OPT record there is no place for them, and the copy is as it was.
 */
export function paddedQuery(query: Uint8Array): Uint8Array {
  if (!hasOpt(query)) return new Uint8Array(query);
  const optionsLength = query.length - 2;
  assert(readU16(query, optionsLength) === 0, 'OPT is the last record, and has no options');
  const least = query.length + OPTION_HEADER_BYTES;
  const out = new Uint8Array(Math.ceil(least / BLOCK_BYTES) * BLOCK_BYTES);
  out.set(query, 0);
  writeU16(out, optionsLength, out.length - query.length);
  writeU16(out, query.length, PADDING);
  writeU16(out, query.length + 2, out.length - least);
  return out;
}
