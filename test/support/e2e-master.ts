/**
 * The cluster that e2e tests look at, and a resolver for all other names. Run as a program it
 * serves both from a process of its own, for network namespaces, until its input ends; it prints
 * `{"master":"host:port","upstream":"host:port"}`.
 */
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { formatHostPort } from '../../src/core/base/host-port.ts';
import { FLAG, RCODE, TYPE } from '../../src/core/dns/constants.ts';
import { type Cleanup, SuiteCleanup } from './cleanup.ts';
import { buildMessage, ipv4, readMessage } from './dns-message.ts';
import { openUpstream, type Script, type ScriptedUpstream } from './dns-peer.ts';
import { readProjectFile } from './project.ts';
import {
  says,
  type ScriptedMaster,
  startMaster,
  type StatePart,
  statuses,
} from './scripted-master.ts';

/** A state of Mesos in which each task shows something else, from the top of the project. */
export const SMALL_STATE_FILE = 'test/e2e/fixtures/small-state.json';

/** Instances of the app `many`: more addresses than fit into any datagram that we send. */
export const MANY = 100;

/** What the resolver knows; every other name does not exist. */
export const OUTSIDE = {
  name: 'www.example.test',
  v4: '203.0.113.7',
  v6: '2001:db8::7',
} as const;

const ADDRESSES: ReadonlyMap<number, Uint8Array> = new Map([
  [TYPE.A, ipv4(OUTSIDE.v4)],
  [TYPE.AAAA, Buffer.from('20010db8000000000000000000000007', 'hex')],
]);

/** The small state as this master's own, and with the app `many`. */
export function smallState({ pid }: { readonly pid: string }): StatePart {
  const state = JSON.parse(readProjectFile(SMALL_STATE_FILE)) as StatePart;
  const [marathon, ...others] = state['frameworks'] as [StatePart, ...StatePart[]];
  const many = Array.from({ length: MANY }, (_, i) => ({
    id: `many.${i}`,
    name: 'many',
    slave_id: 'c1-S0',
    state: 'TASK_RUNNING',
    container: { docker: { network: 'USER' }, network_infos: [{ name: 'overlay' }] },
    statuses: statuses(`9.0.2.${i + 1}`),
  }));
  const tasks = [...(marathon['tasks'] as StatePart[]), ...many];
  return { ...state, pid, leader: pid, frameworks: [{ ...marathon, tasks }, ...others] };
}

/** A master that serves the small state. */
export async function startSmallMaster(t: Cleanup): Promise<ScriptedMaster> {
  const master = await startMaster(t);
  master.answer = says(smallState(master));
  return master;
}

/** One name with both kinds of addresses. */
export const answerOutside: Script = ({ message }, reply) => {
  const { id, qname, qtype, flags, opt } = readMessage(message);
  assert.ok(qname !== null && qtype !== null, 'there is a question');
  const isKnown = qname.toLowerCase() === `${OUTSIDE.name}.`;
  const rdata = isKnown ? ADDRESSES.get(qtype) : undefined;
  reply(
    buildMessage({
      id,
      flags: FLAG.QR | FLAG.RA | (flags & FLAG.RD) | (isKnown ? RCODE.NOERROR : RCODE.NXDOMAIN),
      qname,
      qtype,
      answer: rdata === undefined ? [] : [{ name: qname, type: qtype, rdata }],
      ...(opt === null ? {} : { opt: { size: 1232 } }),
    }),
  );
};

/** A resolver on loopback that ends with the test. */
export async function startResolver(
  t: Cleanup,
  script: Script = answerOutside,
): Promise<ScriptedUpstream & { readonly text: string }> {
  const upstream = await openUpstream(script);
  t.after(() => upstream.close());
  const { address, port } = upstream.address;
  return Object.assign(upstream, { text: formatHostPort({ host: address, port }) });
}

async function main(): Promise<void> {
  const cleanup = new SuiteCleanup();
  const master = await startSmallMaster(cleanup);
  const upstream = await startResolver(cleanup);
  process.stdout.write(`${JSON.stringify({ master: master.text, upstream: upstream.text })}\n`);
  process.stdin.once('end', () => void cleanup.run()).resume();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
