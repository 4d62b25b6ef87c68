import { spawn } from 'node:child_process';
import { DaemonError } from '../../core/base/daemon-error.ts';
import type { Prefix } from '../../core/base/prefix.ts';
import { permissionFailure } from './kernel-failure.ts';

/** Our chain in the table nat; a jump to it stands in POSTROUTING. */
const CHAIN = 'HOPLITE-SNAT';
/** Seconds that a tool waits for others which change rules. */
const LOCK_SECONDS = '5';
/** Kills a tool that hangs. */
const TIMEOUT_MS = 10_000;
/** All rules of a node that has a few hundred thousand, as some balancers make them. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** By version of the Internet Protocol. */
const TOOLS = {
  4: { change: 'iptables', save: 'iptables-save', restore: 'iptables-restore' },
  6: { change: 'ip6tables', save: 'ip6tables-save', restore: 'ip6tables-restore' },
} as const;

/** Rules as they are; lines of `iptables -S`. */
interface Rules {
  readonly jumps: readonly string[];
  /** null: there is no chain of ours. */
  readonly chain: readonly string[] | null;
}

/**
 * Makes exactly the rules that let containers of this node, and backends that dial themselves, use
 * the VIPs of some blocks: packets that IPVS sends on get an address of the node as their source
 * (iptables-extensions(8), ipvs). null: removes them. Rejects with `DaemonError` kernel-failed,
 * kernel-timeout or kernel-permission.
 */
export async function setSnatRules(prefixes: readonly Prefix[] | null): Promise<void> {
  for (const family of [4, 6] as const) {
    const wanted = (prefixes ?? []).filter((prefix) => prefix.family === family);
    if (wanted.length > 0) await install(family, wanted);
    else await remove(family);
  }
}

async function install(family: 4 | 6, prefixes: readonly Prefix[]): Promise<void> {
  const rules = await readRules(family);
  if (rules === null) {
    throw new DaemonError(
      'kernel-failed',
      `SNAT needs ${TOOLS[family].change}: install the package iptables, or set kernel.snat to false`,
    );
  }
  if (rules instanceof DaemonError) throw rules;
  if (rules.jumps.length === 1 && isSame(rules.chain, prefixes)) return;
  await restore(family, [
    // Makes the chain, or empties it.
    `:${CHAIN} - [0:0]`,
    ...prefixes.map(
      ({ text }) =>
        `-A ${CHAIN} -m ipvs --vaddr ${text} --vdir ORIGINAL --vmethod MASQ -j MASQUERADE`,
    ),
    ...(rules.jumps.length === 0 ? [`-I POSTROUTING 1 -j ${CHAIN}`] : []),
    ...rules.jumps.slice(1).map(asDeletion),
  ]);
}

async function remove(family: 4 | 6): Promise<void> {
  // To list one table would load it, and with it the tracking of connections; this lists what is
  // there.
  const saved = await run(TOOLS[family].save, []);
  if (saved?.output.includes(`:${CHAIN} `) !== true) return;
  const rules = await readRules(family);
  // Without the tool or the table there is nothing of ours. Who may not even read the rules, such as
  // an ordinary user with CAP_NET_ADMIN alone, has not made them either.
  if (rules === null || rules instanceof DaemonError) return;
  if (rules.chain === null && rules.jumps.length === 0) return;
  await restore(family, [
    ...rules.jumps.map(asDeletion),
    ...(rules.chain === null ? [] : [`-F ${CHAIN}`, `-X ${CHAIN}`]),
  ]);
}

/** Null: the tool is not installed; an error: the table cannot be read. */
async function readRules(family: 4 | 6): Promise<Rules | DaemonError | null> {
  const { change } = TOOLS[family];
  const list = (chain: string): Promise<ToolResult | null> =>
    run(change, ['-w', LOCK_SECONDS, '-t', 'nat', '-S', chain]);
  const [postrouting, chain] = [await list('POSTROUTING'), await list(CHAIN)];
  if (postrouting === null || chain === null) return null;
  if (postrouting.status !== 0) return failureOf(change, postrouting);
  return {
    jumps: rulesOf(postrouting.output).filter((rule) => rule.split(' ').at(-1) === CHAIN),
    chain: chain.status === 0 ? rulesOf(chain.output) : null,
  };
}

/** Changes the table in one step. */
async function restore(family: 4 | 6, lines: readonly string[]): Promise<void> {
  const tool = TOOLS[family].restore;
  const input = ['*nat', ...lines, 'COMMIT', ''].join('\n');
  const result = await run(tool, ['--noflush', '-w', LOCK_SECONDS], input);
  if (result === null) {
    throw new DaemonError('kernel-failed', `SNAT needs ${tool}: install the package iptables`);
  }
  if (result.status !== 0) throw failureOf(tool, result);
}

function rulesOf(output: string): string[] {
  return output.split('\n').filter((line) => line.startsWith('-A '));
}

/** Whether the chain has one rule of ours for each block, and nothing else. */
function isSame(chain: readonly string[] | null, prefixes: readonly Prefix[]): boolean {
  const found = (chain ?? []).map((rule) => {
    const isOurs =
      rule.includes('--vmethod MASQ') &&
      rule.includes('--vdir ORIGINAL') &&
      rule.endsWith('-j MASQUERADE');
    return isOurs ? (/ --vaddr (\S+)/.exec(rule)?.[1] ?? '') : '';
  });
  // A block of one address is listed without its length.
  const wanted = prefixes.map(({ bytes, length, text }) =>
    length === 8 * bytes.length ? text.slice(0, text.indexOf('/')) : text,
  );
  return chain !== null && found.sort().join(' ') === wanted.sort().join(' ');
}

function asDeletion(rule: string): string {
  return rule.replace(/^-A /, '-D ');
}

interface ToolResult {
  /** null: killed. */
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

function failureOf(tool: string, { status, errors }: ToolResult): DaemonError {
  if (/permission denied|operation not permitted/i.test(errors)) return permissionFailure();
  if (status === null) return new DaemonError('kernel-timeout', `${tool} did not end in time`);
  // The line with the version says nothing alone.
  const reason = errors.split('\n').filter(Boolean).slice(0, 3).join(' ');
  return new DaemonError('kernel-failed', `${tool} failed with status ${status}: ${reason}`);
}

/** Runs a program to its end. Null: there is no such program. */
function run(tool: string, args: readonly string[], input = ''): Promise<ToolResult | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
    let [output, errors] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > OUTPUT_BYTES_MAX) child.kill('SIGKILL');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(0, 4096);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(null);
      else reject(new DaemonError('kernel-failed', `cannot run ${tool}: ${error.message}`));
    });
    child.on('close', (status) => resolve({ status, output, errors }));
    // It may end without reading: its status tells why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
