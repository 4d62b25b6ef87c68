import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/core/base/daemon-error.ts';
import { type Random, seededRandom } from '../../../src/core/base/random.ts';
import { changeLine } from '../../../src/core/ipvs/ipvsadm-text.ts';
import { isOwned, planIpvs } from '../../../src/core/ipvs/plan.ts';
import type { VirtualService } from '../../../src/core/ipvs/table.ts';
import { KernelLoop, type KernelReport } from '../../../src/daemon/kernel/kernel-loop.ts';
import type { DesiredUpdate } from '../../../src/daemon/kernel/kernel-protocol.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { OWNED, SOURCE, table } from '../../support/ipvs-tables.ts';
import { type KernelCall, MemoryKernel, type MemoryTables } from '../../support/memory-kernel.ts';
import { waitUntil } from '../../support/wait-until.ts';

/**
 * A cluster that changes, clients that come and go, somebody with ipvsadm, a kernel that fails and a
 * process that dies: when all of them are quiet, the kernel is as it should be, and what is not ours
 * was never touched.
 */
const SEED = 20_261_122;
const STEPS = 500;
const INTERVAL_MS = 30_000;
const DRAIN_MS = 60_000;
const MASTER = '10.0.0.9';
const BACKENDS = ['10.0.0.1:1', '10.0.0.2:2', '10.0.0.3:3'];
const FOREIGN = table({ 'tcp 192.168.7.7:80': ['10.0.0.1:1=0*3'], 'udp 10.207.0.1:53': [] });

type Desired = ReadonlyMap<string, VirtualService>;

class Simulation {
  readonly #random: Random;
  readonly #clock = new ManualClock();
  #kernel = new MemoryKernel();
  #loop!: KernelLoop;
  #desired: Desired = new Map();
  #memory: ReadonlyMap<string, string> = new Map();
  #report: KernelReport | null = null;
  /** VIPs as the daemon knows them: a process that starts again does not change that. */
  programmed: readonly string[] = [];
  /** What happened, for whoever reads a failure. */
  readonly history: string[] = [];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    copy(FOREIGN, this.#kernel.tables);
    this.#kernel.tables.routes.set('192.168.7.7', null);
    this.#startLoop();
  }

  async step(): Promise<void> {
    const draw = this.#random();
    if (draw < 0.4) this.#changeCluster();
    else if (draw < 0.55) this.#moveClients();
    else if (draw < 0.7) this.#interfere();
    else if (draw < 0.8) this.#breakKernel();
    else if (draw < 0.85) await this.#restart();
    else if (draw < 0.9) this.#kernel.sources.set(MASTER, this.#pick(['10.0.0.5', '10.0.0.6']));
    // Time may pass within what the loop does, or after.
    if (this.#random() < 0.5) await this.#quiet();
    this.#clock.advance(this.#pick([0, 100, 1_000, 5_000, INTERVAL_MS]));
    if (this.#random() < 0.5) await this.#quiet();
    this.checkForeign();
  }

  /** Everybody behaves, and connections end. */
  async calm(): Promise<void> {
    this.#kernel.broken.clear();
    this.#kernel.refuse = () => null;
    this.#desire(true);
    for (let i = 0; i < 12; i++) {
      this.#forEachDestination((service, name) => this.#kernel.tables.connect(service, name, 0));
      await this.#quiet();
      this.#clock.advance(INTERVAL_MS);
    }
    await this.#quiet();
  }

  checkForeign(): void {
    const { services, routes } = this.#kernel.tables;
    for (const [key, service] of FOREIGN) assert.deepEqual(services.get(key), service);
    assert.equal(routes.get('192.168.7.7'), null);
    const foreign = [...services.values()].filter(({ address }) => !isOwned(OWNED, address));
    assert.equal(foreign.length, FOREIGN.size);
  }

  checkConverged(): void {
    const { tables, sources } = this.#kernel;
    const desired = {
      owned: OWNED,
      services: this.#desired,
      source: { ipv4: sources.get(MASTER) ?? null, ipv6: SOURCE.ipv6 },
      mayRemove: true,
    };
    const { changes, drains } = planIpvs(desired, tables.observe(), new Map(), {
      now: 0,
      drainMs: 0,
    });
    assert.deepEqual(changes.map(changeLine), []);
    assert.equal(drains.size, 0);
    const { state, reasons } = this.#report!.status;
    assert.deepEqual({ state, reasons }, { state: 'synced', reasons: [] });
    const addresses = new Set([...this.#desired.values()].map(({ address }) => address));
    assert.deepEqual(this.programmed.toSorted(), [...addresses].sort());
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  #startLoop(): void {
    this.#kernel.sources.set('2001:db8::1', SOURCE.ipv6);
    if (!this.#kernel.sources.has(MASTER)) this.#kernel.sources.set(MASTER, SOURCE.ipv4);
    this.#loop = new KernelLoop(
      this.#kernel,
      { clock: this.#clock, random: this.#random },
      (report) => {
        this.#report = report;
        this.programmed = report.programmed ?? this.programmed;
      },
    );
    this.#loop.configure({
      interface: 'hoplite0',
      owned: OWNED.map(({ text }) => text),
      nodeAddress: { ipv4: null, ipv6: null },
      reconcileIntervalMs: INTERVAL_MS,
      drainMs: DRAIN_MS,
      sysctls: 'set',
      snat: false,
    });
  }

  async #restart(): Promise<void> {
    this.history.push('restart');
    await this.#loop.stop();
    const { tables, sources } = this.#kernel;
    this.#kernel = new MemoryKernel();
    copy(tables.services, this.#kernel.tables);
    for (const [address, source] of tables.routes) this.#kernel.tables.routes.set(address, source);
    for (const [towards, source] of sources) this.#kernel.sources.set(towards, source);
    this.#startLoop();
    this.#desire(true);
  }

  #changeCluster(): void {
    const services = new Map(this.#desired);
    for (let i = 0; i < 3; i++) {
      const address = this.#pick(['10.208.0.1', '10.208.0.2', '10.208.0.3', '10.208.0.4']);
      const key = `${this.#pick(['tcp', 'udp'])} ${address}:${this.#pick(['80', '443'])}`;
      const to = BACKENDS.filter(() => this.#random() < 0.5).map(
        (backend) => `${backend}=${this.#pick(['0', '1', '2'])}`,
      );
      if (to.length === 0) services.delete(key);
      else {
        const scheduler = this.#pick(['wlc', 'rr']);
        services.set(key, table({ [key]: { scheduler, to } }).get(key)!);
      }
    }
    this.#desired = services;
    this.history.push(`desire ${[...services.keys()].join(', ')}`);
    this.#desire(this.#random() < 0.1);
  }

  #desire(isWhole: boolean): void {
    const before = isWhole ? new Map<string, string>() : this.#memory;
    const listed = [...this.#desired].map(
      ([key, { destinations, ...service }]) =>
        [key, { ...service, destinations: [...destinations.values()] }] as const,
    );
    this.#memory = new Map(listed.map(([key, service]) => [key, JSON.stringify(service)]));
    const services = listed
      .filter(([key]) => before.get(key) !== this.#memory.get(key))
      .map(([, service]) => service);
    const removed = [...before.keys()].filter((key) => !this.#memory.has(key));
    const update: DesiredUpdate = { isWhole, services, removed, mayRemove: true, towards: MASTER };
    this.#loop.desire(JSON.parse(JSON.stringify(update)) as DesiredUpdate);
  }

  #moveClients(): void {
    this.#forEachDestination((service, name) => {
      if (this.#random() < 0.5) {
        this.#kernel.tables.connect(service, name, Math.floor(this.#random() * 3));
      }
    });
  }

  #interfere(): void {
    const { services, routes } = this.#kernel.tables;
    const ours = [...services.values()].filter(({ address }) => isOwned(OWNED, address));
    if (ours.length === 0) return;
    const service = this.#pick(ours);
    const [destination] = service.destinations.keys();
    const what = this.#pick(['service', 'route', 'destination', 'weight', 'strange']);
    this.history.push(`interfere: ${what} of ${service.protocol} ${service.address}`);
    if (what === 'service') {
      services.delete([...services].find(([, one]) => one === service)![0]);
    } else if (what === 'route') routes.delete(service.address);
    else if (what === 'strange') {
      copy(table({ 'tcp 10.208.9.9:9': ['10.0.0.9:9*1'] }), this.#kernel.tables);
    } else if (destination === undefined) return;
    else if (what === 'destination') service.destinations.delete(destination);
    else {
      const existing = service.destinations.get(destination)!;
      service.destinations.set(destination, { ...existing, weight: 7 });
    }
  }

  #breakKernel(): void {
    const calls: readonly KernelCall[] = ['prepare', 'observe', 'apply', 'sourceAddress'];
    const codes: readonly ErrorCode[] = ['kernel-timeout', 'kernel-failed', 'kernel-permission'];
    this.#kernel.broken.clear();
    if (this.#random() < 0.5) this.#kernel.broken.set(this.#pick(calls), this.#pick(codes));
    const limit = this.#random() < 0.3 ? 0.5 : 1;
    this.#kernel.refuse = () => (this.#random() < limit ? null : 'ENOBUFS');
    this.history.push(`broken: ${[...this.#kernel.broken.keys()].join()} ${limit}`);
  }

  #forEachDestination(visit: (service: string, name: string) => void): void {
    for (const [key, { address, destinations }] of this.#kernel.tables.services) {
      if (!isOwned(OWNED, address)) continue;
      for (const name of [...destinations.keys()]) visit(key, name);
    }
  }

  /** Waits until the loop has nothing to do but wait. */
  async #quiet(): Promise<void> {
    let calls = -1;
    await waitUntil('the loop waits', () => {
      const isQuiet = calls === this.#kernel.calls.length && this.#clock.pending === 1;
      calls = this.#kernel.calls.length;
      return isQuiet;
    });
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }
}

function copy(from: MemoryTables['services'] | ReturnType<typeof table>, to: MemoryTables): void {
  for (const [key, service] of from) {
    to.services.set(key, { ...service, destinations: new Map(service.destinations) });
  }
}

test('whatever happens, the kernel becomes what it should be and foreign entries stay', async () => {
  const simulation = new Simulation(SEED);
  try {
    for (let step = 1; step <= STEPS; step++) {
      await simulation.step();
      if (step % 50 !== 0) continue;
      await simulation.calm();
      simulation.checkConverged();
    }
  } catch (error) {
    const last = simulation.history.slice(-12).join('\n');
    throw new Error(`seed ${SEED}, at the end of:\n${last}`, { cause: error });
  } finally {
    await simulation.stop();
  }
});
