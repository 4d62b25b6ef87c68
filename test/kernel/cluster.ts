import { spawnSync } from 'node:child_process';
import { SuiteCleanup } from '../support/cleanup.ts';
import { ClusterMaster } from './cluster-master.ts';
import { Peer } from './peer.ts';
import { readTable, type Table } from './ipvs-table.ts';

/** A host of the cluster: a network namespace with an IPVS table of its own. */
export interface ClusterNode {
  /** From 1. */
  readonly number: number;
  readonly namespace: string;
  readonly address: string;
  readonly ipv6: string;
  readonly peer: Peer;
  /** Its IPVS table as the kernel prints it. */
  table(): Table;
  /** Output of a program that is run there to its end. */
  run(program: string, ...args: readonly string[]): string;
}

/** Hosts on one bridge, with the master of their cluster on it too. */
export interface Cluster {
  readonly nodes: readonly ClusterNode[];
  readonly master: ClusterMaster;
  /** A container behind node 1, which routes for it; null without one. */
  readonly container: Peer | null;
  node(number: number): ClusterNode;
  close(): Promise<void>;
}

export interface ClusterOptions {
  readonly nodes: number;
  readonly container?: boolean;
}

/** Where the master listens; the bridge is in the namespace of the tests. */
const MASTER_ADDRESS = '10.9.0.254';
const CONTAINER_NETWORK = '10.66.0';

/** Lays the cables and starts one process per host. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const cleanup = new SuiteCleanup();
  const numbers = Array.from({ length: options.nodes }, (_, index) => index + 1);
  layCables(numbers, options.container === true);
  const startPeer = (namespace: string): Peer => {
    const peer = new Peer(namespace);
    cleanup.after(() => peer.close());
    return peer;
  };
  const nodes = numbers.map((number) => clusterNode(number, startPeer(`node${number}`)));
  const container = options.container === true ? startPeer('container') : null;
  const master = await ClusterMaster.start(MASTER_ADDRESS, options.nodes);
  cleanup.after(() => master.close());
  const node = (number: number): ClusterNode => {
    const found = nodes[number - 1];
    if (found === undefined) throw new Error(`there is no node ${number}`);
    return found;
  };
  return { nodes, master, container, node, close: () => cleanup.run() };
}

function layCables(numbers: readonly number[], withContainer: boolean): void {
  batch(null, [
    'link add bridge0 type bridge',
    'link set bridge0 up',
    `address add ${MASTER_ADDRESS}/24 dev bridge0`,
    ...numbers.flatMap((number) => [
      `netns add node${number}`,
      `link add port${number} type veth peer name eth0 netns node${number}`,
      `link set port${number} master bridge0 up`,
    ]),
    ...(withContainer
      ? [
          'netns add container',
          'link add name cni0 netns node1 type veth peer name eth0 netns container',
        ]
      : []),
  ]);
  for (const number of numbers) {
    batch(`node${number}`, [
      'link set lo up',
      'link set eth0 up',
      `address add 10.9.0.${number}/24 dev eth0`,
      `address add fd09::${number}/64 dev eth0 nodad`,
      // A host has a way out, even if here it leads nowhere.
      `route add default via ${MASTER_ADDRESS}`,
      ...(withContainer && number === 1
        ? ['link set cni0 up', `address add ${CONTAINER_NETWORK}.1/24 dev cni0`]
        : []),
    ]);
  }
  if (!withContainer) return;
  // Every host of containers does.
  const forward = 'echo 1 > /proc/sys/net/ipv4/ip_forward';
  runHere('nsenter', ['--net=/run/netns/node1', 'sh', '-c', forward]);
  batch('container', [
    'link set lo up',
    'link set eth0 up',
    `address add ${CONTAINER_NETWORK}.2/24 dev eth0`,
    `route add default via ${CONTAINER_NETWORK}.1`,
  ]);
}

/** Runs lines of `ip` in a namespace (null: ours), all in one process. */
function batch(namespace: string | null, lines: readonly string[]): void {
  const where = namespace === null ? [] : ['-n', namespace];
  runHere('ip', [...where, '-batch', '-'], `${lines.join('\n')}\n`);
}

function runHere(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8' });
  if (status === 0) return stdout;
  const why = error?.message ?? stderr;
  throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${why}${stdout}`);
}

function clusterNode(number: number, peer: Peer): ClusterNode {
  const namespace = `node${number}`;
  return {
    number,
    namespace,
    address: `10.9.0.${number}`,
    ipv6: `fd09::${number}`,
    peer,
    table: () => readTable(peer.pid),
    run: (program, ...args) =>
      runHere('nsenter', [`--net=/run/netns/${namespace}`, program, ...args]),
  };
}
