import { err, ok } from '../base/result.ts';
import type { Result } from '../base/result.ts';
import { JuteReader, JuteWriter } from './jute.ts';

/**
 * The messages between ZooKeeper and a client that reads and watches
 * (zookeeper-jute/src/main/resources/zookeeper.jute, ZooDefs.java). Requests are whole frames.
 */

/** A session as the server knows it: whoever has the password can go on with it elsewhere. */
export interface SessionKey {
  readonly id: bigint;
  readonly password: Uint8Array;
}

/** Session 0 with an empty password asks for a new one. */
export const NO_SESSION: SessionKey = { id: 0n, password: new Uint8Array(16) };

/** Numbers in `xid` that are not those of a request. */
export const XID = { event: -1, ping: -2, auth: -4 } as const;

const OPERATION = { exists: 3, getData: 4, getChildren: 8, ping: 11, auth: 100, close: -11 };

/** Error codes that mean something here (KeeperException.Code). */
const ERROR_NAMES: Readonly<Record<number, string>> = {
  [-4]: 'connection loss',
  [-6]: 'operation not implemented',
  [-8]: 'bad arguments',
  [-101]: 'no node',
  [-102]: 'no permission',
  [-112]: 'session expired',
  [-115]: 'authentication failed',
  [-118]: 'session moved',
};

/** Code of a node that is not there. */
export const NO_NODE = -101;

/** An error code for people, such as `no permission (-102)`. */
export function describeError(code: number): string {
  return `${ERROR_NAMES[code] ?? 'error'} (${code})`;
}

/** Opens or takes up a session; a server that has seen less than `lastZxid` refuses. */
export function encodeConnect(
  session: SessionKey,
  lastZxid: bigint,
  timeoutMs: number,
): Uint8Array<ArrayBuffer> {
  return new JuteWriter()
    .int(0)
    .long(lastZxid)
    .int(timeoutMs)
    .long(session.id)
    .buffer(session.password)
    .bool(false)
    .frame();
}

export interface ConnectReply {
  /** What the server grants, within its own limits. */
  readonly timeoutMs: number;
  readonly session: SessionKey;
}

/** The answer to `encodeConnect`; value null: the session has expired. */
export function decodeConnect(body: Uint8Array): Result<ConnectReply | null, string> {
  const reader = new JuteReader(body);
  reader.int();
  const timeoutMs = reader.int();
  const id = reader.long();
  const password = reader.buffer().slice();
  // Servers before 3.4 send no more; whether it is read-only was not asked.
  if (!reader.ok) return err('a connect response that ends early');
  if (timeoutMs <= 0) return ok(null);
  return ok({ timeoutMs, session: { id, password } });
}

export function encodePing(): Uint8Array<ArrayBuffer> {
  return new JuteWriter().int(XID.ping).int(OPERATION.ping).frame();
}

/** Digest authentication, which every server takes; what it opens is up to the nodes' ACLs. */
export function encodeAuth(user: string, password: string): Uint8Array<ArrayBuffer> {
  return new JuteWriter()
    .int(XID.auth)
    .int(OPERATION.auth)
    .int(0)
    .text('digest')
    .text(`${user}:${password}`)
    .frame();
}

/** Ends the session at once instead of letting it expire. */
export function encodeClose(xid: number): Uint8Array<ArrayBuffer> {
  return new JuteWriter().int(xid).int(OPERATION.close).frame();
}

/** What can be asked of a node; each asks, too, to be told once of the next change. */
export type Question = 'exists' | 'getData' | 'getChildren';

/** Reads a node, with a watch or without. */
export function encodeQuestion(
  xid: number,
  question: Question,
  path: string,
  watch: boolean,
): Uint8Array<ArrayBuffer> {
  return new JuteWriter().int(xid).int(OPERATION[question]).text(path).bool(watch).frame();
}

/** Any message of the server after the first. */
export interface Reply {
  /** Of the request, or one of `XID`. */
  readonly xid: number;
  /** The last change that the server had seen; 0 or less in pings and events. */
  readonly zxid: bigint;
  /** 0: none. */
  readonly error: number;
  readonly body: Uint8Array;
}

export function decodeReply(frame: Uint8Array): Result<Reply, string> {
  const reader = new JuteReader(frame);
  const reply = { xid: reader.int(), zxid: reader.long(), error: reader.int() };
  return reader.ok ? ok({ ...reply, body: reader.rest() }) : err('a reply that ends early');
}

/** Path of the node that has changed; '' if it is the session. */
export function decodeEvent(body: Uint8Array): Result<string, string> {
  const reader = new JuteReader(body);
  reader.int();
  reader.int();
  const path = reader.text();
  return reader.ok ? ok(path) : err('an event that ends early');
}

/** Names of the children, without the path, in no order. */
export function decodeChildren(body: Uint8Array): Result<readonly string[], string> {
  const reader = new JuteReader(body);
  const names = reader.texts();
  return reader.ok ? ok(names) : err('a list of children that ends early');
}

/** Content of a node. */
export function decodeData(body: Uint8Array): Result<Uint8Array, string> {
  const reader = new JuteReader(body);
  const data = reader.buffer();
  return reader.ok ? ok(data) : err('data of a node that ends early');
}
