import assert from 'node:assert/strict';
import { FLAG, TYPE, typeMnemonic } from '../../src/core/dns/constants.ts';

/** A record as tests write it; `rdata` as it stands in the message, so names may be compressed. */
export interface TestRecord {
  readonly name: string;
  readonly type: number;
  readonly ttl?: number;
  readonly rdata: Uint8Array;
}

export interface TestMessage {
  readonly id?: number;
  /** Header flags with opcode and rcode. */
  readonly flags?: number;
  /** Text with final dot, or wire form for labels that text cannot say. */
  readonly qname: string | Uint8Array;
  readonly qtype?: number;
  readonly qclass?: number;
  readonly answer?: readonly TestRecord[];
  readonly authority?: readonly TestRecord[];
  readonly additional?: readonly TestRecord[];
  /** Adds an OPT record (RFC 6891); `flags` is its second word, DO and Z. */
  readonly opt?: {
    readonly size: number;
    readonly version?: number;
    readonly flags?: number;
    readonly options?: Uint8Array;
  };
}

/** A record as read: names in the data expanded, data in hexadecimal. */
export interface ReadRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: string;
}

export interface ReadMessage {
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  readonly tc: boolean;
  readonly qname: string | null;
  readonly qtype: number | null;
  readonly qclass: number | null;
  readonly answer: readonly ReadRecord[];
  readonly authority: readonly ReadRecord[];
  /** Without OPT. */
  readonly additional: readonly ReadRecord[];
  readonly opt: { readonly size: number; readonly options: string } | null;
  /** The other half of OPT: rcode of 12 bits, version, DO and Z; null without OPT. */
  readonly edns: {
    readonly rcode: number;
    readonly version: number;
    readonly flags: number;
  } | null;
  /** Octets behind the last record. */
  readonly trailing: number;
}

/** `a.b.` in wire form. */
export function wireName(name: string): Uint8Array {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ]);
}

export function u16(...values: readonly number[]): Uint8Array {
  return Buffer.concat(values.map((value) => Buffer.from([value >>> 8, value & 0xff])));
}

/** An A record's data. */
export function ipv4(text: string): Uint8Array {
  return Uint8Array.from(text.split('.').map(Number));
}

/** `count` A records of one name. */
export function addressRecords(name: string, count: number): TestRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    name,
    type: TYPE.A,
    rdata: ipv4(`203.0.113.${(i % 250) + 1}`),
  }));
}

/**
 * Builds a message, owner names uncompressed as many servers write them. With `compressOwners`,
 * owners that equal the question are pointers to it.
 */
export function buildMessage(message: TestMessage, compressOwners = false): Uint8Array {
  const { answer = [], authority = [], additional = [], opt } = message;
  const record = ({ name, type, ttl = 300, rdata }: TestRecord): Uint8Array => {
    const owner = compressOwners && name === message.qname ? u16(0xc00c) : wireName(name);
    const fields = u16(type, 1, ttl >>> 16, ttl & 0xffff, rdata.length);
    return Buffer.concat([owner, fields, rdata]);
  };
  const optRecord = ({
    size,
    version = 0,
    flags = 0,
    options = new Uint8Array(0),
  }: NonNullable<TestMessage['opt']>): Uint8Array =>
    Buffer.concat([Buffer.from([0]), u16(TYPE.OPT, size, version, flags, options.length), options]);
  const additionals = additional.length + (opt === undefined ? 0 : 1);
  const header = u16(
    message.id ?? 0x1234,
    message.flags ?? FLAG.RD,
    1,
    answer.length,
    authority.length,
    additionals,
  );
  const question = u16(message.qtype ?? TYPE.A, message.qclass ?? 1);
  return new Uint8Array(
    Buffer.concat([
      header,
      typeof message.qname === 'string' ? wireName(message.qname) : message.qname,
      question,
      ...[...answer, ...authority, ...additional].map(record),
      ...(opt === undefined ? [] : [optRecord(opt)]),
    ]),
  );
}

/** Octets before the first name in the data, and how many names follow. */
const NAMES_IN_DATA: ReadonlyMap<number, readonly [number, number]> = new Map([
  [TYPE.NS, [0, 1]],
  [TYPE.CNAME, [0, 1]],
  [TYPE.SOA, [0, 2]],
  [TYPE.PTR, [0, 1]],
  [TYPE.MX, [2, 1]],
  [TYPE.SRV, [6, 1]],
]);

/** Text form of a record of the types that we publish, such as `a.mesos. 60 SRV 0 1 80 b.mesos.` */
export function recordText({ name, type, class: klass, ttl, data }: ReadRecord): string {
  assert.equal(klass, 1, 'records have class IN');
  const head = `${name} ${ttl} ${typeMnemonic(type)}`;
  const [first = '', ...rest] = data.split(' ');
  const numbers = (hex: string, digits: number): string =>
    (hex.match(new RegExp(`.{${digits}}`, 'g')) ?? []).map((part) => parseInt(part, 16)).join(' ');
  if (type === TYPE.A) return `${head} ${numbers(data, 2).replaceAll(' ', '.')}`;
  if (type === TYPE.AAAA) return `${head} ${(data.match(/.{4}/g) ?? []).join(':')}`;
  if (type === TYPE.SRV) return `${head} ${numbers(first, 4)} ${rest.join(' ')}`;
  if (type === TYPE.SOA) return `${head} ${first} ${rest[0] ?? ''} ${numbers(rest[1] ?? '', 8)}`;
  return `${head} ${data}`;
}

/** A decoder of its own for checking what the code under test wrote; throws on any fault. */
export function readMessage(bytes: Uint8Array): ReadMessage {
  const view = Buffer.from(bytes);
  let at = 12;
  const name = (): string => {
    const [text, end] = readName(view, at);
    at = end;
    return text;
  };
  const number = (size: number): number => {
    at += size;
    return view.readUIntBE(at - size, size);
  };
  const record = (): ReadRecord => {
    const owner = name();
    const [type, klass, ttl, length] = [number(2), number(2), number(4), number(2)];
    const end = at + length;
    assert.ok(end <= view.length, 'the data of a record is there');
    const [fixed, names] = NAMES_IN_DATA.get(type) ?? [length, 0];
    const parts = [view.toString('hex', at, at + fixed)];
    at += fixed;
    for (let i = 0; i < names; i++) parts.push(name());
    assert.ok(at <= end, 'names end within the data');
    parts.push(view.toString('hex', at, end));
    at = end;
    return { name: owner, type, class: klass, ttl, data: parts.filter((p) => p !== '').join(' ') };
  };
  const section = (offset: number): ReadRecord[] =>
    Array.from({ length: view.readUInt16BE(offset) }, record);
  const hasQuestion = view.readUInt16BE(4) > 0;
  const qname = hasQuestion ? name() : null;
  const qtype = hasQuestion ? number(2) : null;
  const qclass = hasQuestion ? number(2) : null;
  const answer = section(6);
  const authority = section(8);
  const all = section(10);
  const opt = all.find(({ type }) => type === TYPE.OPT);
  const flags = view.readUInt16BE(2);
  return {
    id: view.readUInt16BE(0),
    flags,
    rcode: flags & 15,
    tc: (flags & FLAG.TC) !== 0,
    qname,
    qtype,
    qclass,
    answer,
    authority,
    additional: all.filter(({ type }) => type !== TYPE.OPT),
    opt: opt === undefined ? null : { size: opt.class, options: opt.data },
    edns:
      opt === undefined
        ? null
        : {
            rcode: ((opt.ttl >>> 24) << 4) | (flags & 15),
            version: (opt.ttl >>> 16) & 0xff,
            flags: opt.ttl & 0xffff,
          },
    trailing: view.length - at,
  };
}

/** The name at `start` with final dot, and where the next field is. */
function readName(view: Buffer, start: number): [string, number] {
  let text = '';
  let at = start;
  let end = -1;
  for (let hops = 0; ;) {
    const length = view.readUInt8(at);
    if (length === 0) return [text === '' ? '.' : text, end < 0 ? at + 1 : end];
    if (length >= 0xc0) {
      assert.ok(hops++ < 64, 'pointers come to an end');
      if (end < 0) end = at + 2;
      at = view.readUInt16BE(at) & 0x3fff;
      continue;
    }
    assert.ok(length < 64 && at + 1 + length <= view.length, 'a label is whole');
    text += `${view.toString('latin1', at + 1, at + 1 + length)}.`;
    at += 1 + length;
  }
}

/** An option of an OPT record (RFC 6891 §6.1.2). */
export function ednsOption(code: number, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  return Buffer.concat([u16(code, data.length), data]);
}

/** Data of the options of an OPT record by their code, all in hexadecimal; none may come twice. */
export function readEdnsOptions(options: string): Map<number, string> {
  const bytes = Buffer.from(options, 'hex');
  const read = new Map<number, string>();
  for (let at = 0; at < bytes.length;) {
    const code = bytes.readUInt16BE(at);
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    assert.ok(end <= bytes.length && !read.has(code), 'options are whole, and each there once');
    read.set(code, bytes.toString('hex', at + 4, end));
    at = end;
  }
  return read;
}
