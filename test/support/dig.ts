import assert from 'node:assert/strict';
import type { SocketAddress } from '../../src/core/config/config.ts';
import { runProgram } from './cli-process.ts';

/** One reply as dig or kdig prints it; records have single spaces between their fields. */
export interface DigReply {
  /** Such as `NXDOMAIN`. */
  readonly status: string;
  /** Such as `qr aa rd`, in the program's order. */
  readonly flags: string;
  /** Such as `web.mesos. IN A`. */
  readonly question: string;
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  /** Without OPT. */
  readonly additional: readonly string[];
  /** Lines of the OPT section, `; EDNS: ...` first; empty if there was none. */
  readonly opt: readonly string[];
  readonly overTcp: boolean;
  readonly bytes: number;
}

const HEADER = /->>HEADER<<- opcode: QUERY[,;] status: (\w+)[,;] id: \d+\n;; flags: ([\w ]*);/i;

/** Runs dig and reads its one reply; rejects if there was none. */
export async function dig(server: SocketAddress, ...query: readonly string[]): Promise<DigReply> {
  const { text } = await digText(server, ...query);
  const [reply] = readReplies(text);
  assert.ok(reply !== undefined, `dig got a reply\n${text}`);
  return reply;
}

/** Runs dig; gives all that it printed, whatever became of the query. */
export async function digText(
  { address, port }: SocketAddress,
  ...query: readonly string[]
): Promise<{ readonly status: number | null; readonly text: string }> {
  // -r: without the user's own .digrc.
  const args = ['-r', `@${address}`, '-p', String(port), '+tries=1', '+time=5', ...query];
  const { status, stdout, stderr } = await runProgram('dig', args);
  return { status, text: stdout + stderr };
}

/** Runs kdig with any number of queries and reads the replies in order. */
export async function kdig(
  { address, port }: SocketAddress,
  ...query: readonly string[]
): Promise<DigReply[]> {
  const args = [`@${address}`, '-p', String(port), '+retry=0', '+time=5', ...query];
  const { status, stdout, stderr } = await runProgram('kdig', args);
  assert.equal(status, 0, stdout + stderr);
  return readReplies(stdout);
}

function readReplies(text: string): DigReply[] {
  return text
    .split(/^(?=;; ->>HEADER<<-)/m)
    .filter((part) => HEADER.test(part))
    .map(readReply);
}

function readReply(text: string): DigReply {
  const [, status = '', flags = ''] = HEADER.exec(text) ?? [];
  const [, bytes = '0'] = /(?:MSG SIZE +rcvd: |Received )(\d+)/.exec(text) ?? [];
  return {
    status,
    flags,
    question: (section(text, 'QUESTION')[0] ?? '').replace(/^;+ ?/, ''),
    answer: section(text, 'ANSWER'),
    authority: section(text, 'AUTHORITY'),
    additional: section(text, 'ADDITIONAL'),
    opt: section(text, 'OPT PSEUDO').concat(section(text, 'EDNS PSEUDO')),
    overTcp: text.includes('(TCP)'),
    bytes: Number(bytes),
  };
}

/** Lines of a section: those behind its head, up to an empty line or the next head. */
function section(text: string, name: string): string[] {
  const lines = text.split('\n');
  const head = lines.findIndex(
    (line) => line.startsWith(`;; ${name}`) && line.endsWith('SECTION:'),
  );
  if (head < 0) return [];
  const isEnd = (line: string): boolean => line === '' || /^;; [A-Z ]+ SECTION:$/.test(line);
  const end = lines.findIndex((line, index) => index > head && isEnd(line));
  return lines.slice(head + 1, end < 0 ? undefined : end).map((line) => line.replace(/\s+/g, ' '));
}
