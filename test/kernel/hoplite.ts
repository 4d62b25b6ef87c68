import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Resolver } from 'node:dns/promises';
import { join } from 'node:path';
import type { Status } from '../../src/core/ports.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { CLI, type Exit, type Finished, LongProcess, runProgram } from '../support/cli-process.ts';
import type { Cluster, ClusterNode } from './cluster.ts';
import { eventually } from './eventually.ts';
import type { Table } from './ipvs-table.ts';

type Section = Readonly<Record<string, unknown>>;

/** What a test's configuration differs in, by section. */
export interface HopliteOptions {
  readonly cluster?: Section;
  readonly vip?: Section;
  readonly kernel?: Section;
  /** Program and arguments in front of that of Node, such as setpriv's. */
  readonly through?: readonly string[];
  /** Do not wait until the kernel is as it should be. */
  readonly unsynced?: boolean;
}

const HTTP_PORT = 8123;
/** Within it a change of the cluster is known; more often would only heat the processor. */
const POLL_SECONDS = 0.5;
/** The shortest there is. */
const RECONCILE_SECONDS = 1;
/** A daemon on a node that has much else to do. */
const START_MS = 60_000;

/** `hoplite serve` on a node of the cluster, as its own users run it. */
export class Hoplite {
  readonly node: ClusterNode;
  readonly process: LongProcess;
  readonly #configFile: string;
  #exit: Exit | null = null;
  readonly #resolver = new Resolver({ timeout: 2_000, tries: 2 });

  private constructor(node: ClusterNode, process: LongProcess, configFile: string) {
    this.node = node;
    this.process = process;
    this.#configFile = configFile;
    this.#resolver.setServers([node.address]);
    void process.exited.then((exit) => (this.#exit = exit));
  }

  /** Starts it; by default waits until it serves a generation and the kernel holds it. */
  static async start(
    t: Cleanup,
    cluster: Cluster,
    number: number,
    options: HopliteOptions = {},
  ): Promise<Hoplite> {
    const node = cluster.node(number);
    const configFile = join('/run/tmp', `${node.namespace}.json`);
    const config = {
      cluster: {
        masters: [cluster.master.text],
        pollIntervalSeconds: POLL_SECONDS,
        // The scripted master has no stream, and of a few tasks each is a large share.
        events: { follow: 'never' },
        trust: { maxLossPercent: 100 },
        ...options.cluster,
      },
      dns: { listen: ['0.0.0.0:53'] },
      http: { listen: `0.0.0.0:${HTTP_PORT}` },
      forward: { enabled: false },
      vip: { pool: ['10.208.0.0/16'], poolIpv6: ['fd00:208::/64'], ...options.vip },
      kernel: {
        reconcileIntervalSeconds: RECONCILE_SECONDS,
        nodeAddress: { ipv6: node.ipv6 },
        ...options.kernel,
      },
    };
    writeFileSync(configFile, JSON.stringify(config));
    const process = new LongProcess(t, 'nsenter', [
      `--net=/run/netns/${node.namespace}`,
      ...(options.through ?? []),
      ...[globalThis.process.execPath, CLI, 'serve', '--config', configFile],
    ]);
    const hoplite = new Hoplite(node, process, configFile);
    if (options.unsynced !== true) await hoplite.synced();
    return hoplite;
  }

  /** Waits until what the master says is published and in the kernel. */
  synced(): Promise<Status> {
    return this.reports('a kernel as it should be', ({ generation, kernel }) => {
      return generation !== null && kernel.state === 'synced';
    });
  }

  /** Waits for a status. */
  reports(what: string, look: (status: Status) => boolean): Promise<Status> {
    let last: Status | null = null;
    return eventually(
      what,
      async () => {
        if (this.#exit !== null) throw new Error(`the daemon has ended\n${this.#output()}`);
        last = await this.status().catch(() => null);
        return last !== null && look(last) ? last : null;
      },
      {
        deadlineMs: START_MS,
        describe: () => `${JSON.stringify(last, null, 1)}\n${this.#output()}`,
      },
    );
  }

  /** Waits for the IPVS table of the node to be so. */
  async holds(what: string, look: (table: Table) => boolean): Promise<Table> {
    return eventually(
      what,
      () => {
        const table = this.node.table();
        return look(table) ? table : null;
      },
      { describe: async () => `${this.node.run('ipvsadm', '-Ln')}\n${await this.#state()}` },
    );
  }

  status(): Promise<Status> {
    return this.json('/v1/status') as Promise<Status>;
  }

  /** What would be changed in the kernel now. */
  async plan(): Promise<readonly unknown[]> {
    const plan = (await this.json('/v1/ipvs/plan')) as { readonly changes: readonly unknown[] };
    return plan.changes;
  }

  /** Body of a path of the HTTP API that answers 200. */
  async json(path: string): Promise<unknown> {
    const { status, body } = await this.#fetch(path);
    if (status !== 200) throw new Error(`${path} answers ${status}: ${body}`);
    return JSON.parse(body);
  }

  async httpStatus(path: string): Promise<number> {
    return (await this.#fetch(path)).status;
  }

  async #fetch(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const url = `http://${this.node.address}:${HTTP_PORT}${path}`;
    const response = await fetch(url, { headers: { connection: 'close' } });
    return { status: response.status, body: await response.text() };
  }

  /** Addresses of a name; empty if it has none. */
  async resolve(name: string, family: 4 | 6 = 4): Promise<readonly string[]> {
    try {
      return await (family === 4 ? this.#resolver.resolve4(name) : this.#resolver.resolve6(name));
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
      throw error;
    }
  }

  /** Waits for the address of a VIP's name, which answers once the kernel balances it. */
  vip(service: string, family: 4 | 6 = 4): Promise<string> {
    return eventually(
      `an address of the VIP ${service}`,
      async () => {
        const name = `${service}.marathon.l4lb.mesos`;
        // Listeners of a node whose addresses change may be away for a moment.
        const addresses = await this.resolve(name, family).catch(() => []);
        return addresses[0];
      },
      { describe: () => this.#state() },
    );
  }

  /**
   * Ends it by a signal to one of its processes, by default the one that was started, and returns
   * when all of them are gone.
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM', pid: number = this.process.pid): Promise<void> {
    const all = descendants(this.process.pid);
    process.kill(pid, signal);
    await this.process.end();
    await eventually('the end of all processes', () => !all.some((one) => isAlive(one)));
  }

  /** Process id of what programs the kernel; null if there is none. */
  kernelProcess(): number | null {
    const isKernel = (pid: number): boolean => commandLine(pid).includes('kernel-entry.js');
    return descendants(this.process.pid).find(isKernel) ?? null;
  }

  /** Process id of what answers: another than the one that was started, if that has more rights. */
  daemonProcess(): number {
    const isDaemon = (pid: number): boolean => commandLine(pid).includes(' serve ');
    return descendants(this.process.pid).findLast(isDaemon) ?? this.process.pid;
  }

  /** Runs another command with the same configuration on the node. */
  command(...args: readonly string[]): Promise<Finished> {
    const namespace = `--net=/run/netns/${this.node.namespace}`;
    const cli = [process.execPath, CLI, ...args, '--config', this.#configFile];
    return runProgram('nsenter', [namespace, ...cli]);
  }

  async #state(): Promise<string> {
    const status = await this.status().catch((error: unknown) => String(error));
    return `${JSON.stringify(status, null, 1)}\n${this.#output()}`;
  }

  #output(): string {
    const end = this.#exit === null ? '' : `ended: ${JSON.stringify(this.#exit)}\n`;
    return end + (this.process.stdout + this.process.stderr).slice(-4_000);
  }
}

/** Whether a process exists and is no mere memory of one. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}

/** A process' children and theirs, parents first. */
function descendants(pid: number): number[] {
  const parent = new RegExp(`^PPid:\\s+${pid}$`, 'm');
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return parent.test(readFileSync(`/proc/${name}/status`, 'utf8'));
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
  return children.flatMap((name) => [Number(name), ...descendants(Number(name))]);
}
