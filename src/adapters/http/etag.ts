import { hash } from 'node:crypto';
import type { ApiReply } from './reply.ts';
import { withHeaders } from './reply.ts';

/** What RFC 9110 section 8.8.3 lets stand between the quotes of an entity tag. */
const TAGS = /"[\x21\x23-\x7e\x80-\xff]*"/g;

/**
 * The same answer with an entity tag of its bytes, for clients that poll; they have to ask each
 * time (RFC 9111 section 5.2.2.4), since what they keep may be wrong a moment later.
 */
export function withEtag(reply: ApiReply): ApiReply {
  const etag = `"${hash('sha1', reply.body, 'base64')}"`;
  return withHeaders(reply, { etag, 'cache-control': 'no-cache' });
}

/**
 * The answer to a request that may carry If-None-Match: 304 if the client has these bytes already
 * (RFC 9110 section 13.1.2), else the answer as it is. Without `ETag` there is nothing to compare.
 */
export function unlessMatching(reply: ApiReply, ifNoneMatch: string | undefined): ApiReply {
  const etag = reply.headers?.['etag'];
  if (etag === undefined || ifNoneMatch === undefined) return reply;
  const tags: readonly string[] = ifNoneMatch.match(TAGS) ?? [];
  if (ifNoneMatch.trim() !== '*' && !tags.includes(etag)) return reply;
  return { ...reply, status: 304, body: '' };
}
