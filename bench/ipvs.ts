/**
 * What programming the kernel costs, through the adapter and with nothing else in between. Changes
 * the IPVS table of the machine it runs on: for bench/ipvs.sh, which boots a kernel of its own.
 */
import { execFileSync } from 'node:child_process';
import { openKernel } from '../src/adapters/kernel/kernel.ts';
import { systemClock } from '../src/adapters/clock.ts';
import { parsePrefix } from '../src/core/base/prefix.ts';
import { ipvsadmText } from '../src/core/ipvs/ipvsadm-text.ts';
import { type DesiredKernel, type KernelChange, planIpvs } from '../src/core/ipvs/plan.ts';
import {
  type Destination,
  destinationKey,
  serviceKey,
  type VirtualService,
} from '../src/core/ipvs/table.ts';
import type { Kernel } from '../src/core/ports.ts';
import { KernelLoop, type KernelReport } from '../src/daemon/kernel/kernel-loop.ts';
import type { DesiredUpdate, ServiceMessage } from '../src/daemon/kernel/kernel-protocol.ts';

const INTERFACE = 'hoplite-bench';
const NODE_ADDRESS = '10.9.0.1';
const POOL = '10.208.0.0/12';
const TIME = { now: 0, drainMs: 300_000 };
const ROUNDS = 7;

function virtualService(number: number, size: number): VirtualService {
  const high = number >> 8;
  const low = number & 255;
  const destinations = Array.from({ length: size }, (_, i): Destination => {
    const address = `10.${1 + i}.${high}.${low}`;
    const limits = { upperThreshold: 0, lowerThreshold: 0 };
    return { address, port: 31000, forwarding: 'masq', weight: 1, ...limits };
  });
  return {
    protocol: 'tcp',
    address: `10.208.${high}.${low}`,
    port: 80,
    scheduler: 'wlc',
    schedulerFlags: 0,
    persistenceSeconds: 0,
    destinations: new Map(destinations.map((one) => [destinationKey(one), one])),
  };
}

/** `services` VIPs with a port and `size` backends each. */
function desiredKernel(services: number, size: number): DesiredKernel {
  const list = Array.from({ length: services }, (_, i) => virtualService(i, size));
  return {
    owned: [parsePrefix(POOL)!],
    services: new Map(list.map((one) => [serviceKey(one), one])),
    source: { ipv4: NODE_ADDRESS, ipv6: null },
    mayRemove: true,
  };
}

/** Services and destinations alone, without catch-all services and routes. */
function additions(desired: DesiredKernel): KernelChange[] {
  return [...desired.services.values()].flatMap(({ destinations, ...service }) => [
    { kind: 'add-service', service },
    ...[...destinations.values()].map((destination): KernelChange => ({
      kind: 'add-destination',
      service,
      destination,
    })),
  ]);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function report(what: string, times: readonly number[], target = ''): void {
  const range = [Math.min(...times), Math.max(...times)].map((ms) => ms.toFixed(1)).join('-');
  const middle = `${median(times).toFixed(1)} ms`;
  console.log(
    `| ${what.padEnd(66)} | ${middle.padStart(10)} | ${range.padStart(15)} | ${target} |`,
  );
}

function clear(): void {
  execFileSync('ipvsadm', ['-C']);
}

async function make(kernel: Kernel, changes: readonly KernelChange[]): Promise<void> {
  const [failure] = await kernel.apply(changes);
  if (failure !== undefined) throw new Error(`${failure.errno}: ${failure.message}`);
}

async function benchProgramming(kernel: Kernel): Promise<void> {
  const desired = desiredKernel(1000, 10);
  const changes = additions(desired);
  const text = ipvsadmText(changes);
  // Loads the scheduler, and compiles what runs.
  await make(kernel, changes);
  const batched: number[] = [];
  const single: number[] = [];
  const foreign: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < 3; round++) {
    clear();
    batched.push(await timed(() => make(kernel, changes)));
    clear();
    single.push(
      await timed(async () => {
        for (const change of changes) await make(kernel, [change]);
      }),
    );
    clear();
    foreign.push(
      await timed(() => {
        execFileSync('ipvsadm', ['-R'], { input: text });
        return Promise.resolve();
      }),
    );
    clear();
    await kernel.removeInterface();
    const observed = await kernel.observe();
    const plan = planIpvs(desired, observed, new Map(), TIME);
    whole.push(await timed(() => make(kernel, plan.changes)));
  }
  report('1,000 services x 10 destinations from empty', batched, '500 ms');
  report('the same with 2,000 catch-all services and 1,000 routes', whole);
  report('the same as the first, one at a time', single);
  report('the same as the first, ipvsadm -R', foreign);
}

async function benchComparison(kernel: Kernel, services: number, size: number): Promise<void> {
  const desired = desiredKernel(services, size);
  clear();
  await kernel.removeInterface();
  const first = await kernel.observe();
  await make(kernel, planIpvs(desired, first, new Map(), TIME).changes);
  const observing: number[] = [];
  const planning: number[] = [];
  const both: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const observed = await kernel.observe();
    const between = performance.now();
    const { changes } = planIpvs(desired, observed, new Map(), TIME);
    const end = performance.now();
    if (changes.length > 0) throw new Error(`${changes.length} changes of a table that is right`);
    observing.push(between - start);
    planning.push(end - between);
    both.push(end - start);
  }
  const table = `${services.toLocaleString('en')} x ${size} destinations`;
  report(`${table}, with 2 catch-alls and a route each: observed`, observing);
  report('the same: compared', planning);
  report('the same: both', both, '150 ms');
}

function message(service: VirtualService, weight: number): ServiceMessage {
  const [first, ...others] = service.destinations.values();
  return { ...service, destinations: [{ ...first!, weight }, ...others] };
}

function update(services: readonly ServiceMessage[], isWhole: boolean): DesiredUpdate {
  return { isWhole, services, removed: [], mayRemove: true, towards: null };
}

async function benchLoop(kernel: Kernel): Promise<void> {
  let onReport: (report: KernelReport) => void = () => undefined;
  const loop = new KernelLoop(kernel, { clock: systemClock, random: () => 0.5 }, (one) =>
    onReport(one),
  );
  const next = (wanted: (report: KernelReport) => boolean): Promise<KernelReport> =>
    new Promise((resolve) => {
      onReport = (one) => {
        if (wanted(one)) resolve(one);
      };
    });
  const services = [...desiredKernel(5000, 10).services.values()];
  const synced = next(({ status }) => status.state !== 'starting');
  loop.desire(
    update(
      services.map((one) => message(one, 1)),
      true,
    ),
  );
  loop.configure({
    interface: INTERFACE,
    owned: [POOL],
    nodeAddress: { ipv4: NODE_ADDRESS, ipv6: null },
    reconcileIntervalMs: 600_000,
    drainMs: 300_000,
    sysctls: 'report',
    snat: false,
  });
  let { status } = await synced;
  const times: number[] = [];
  for (let round = 0; round < ROUNDS * 3; round++) {
    // Until the counters of the round of the start have been reported.
    await new Promise((resolve) => setTimeout(resolve, round === 0 ? 5000 : 50));
    const { changes } = status;
    const start = performance.now();
    const done = next((one) => one.status.changes > changes);
    loop.desire(update([message(services[round]!, 5)], false));
    ({ status } = await done);
    times.push(performance.now() - start);
    if (status.changes !== changes + 1) throw new Error('one change was wanted');
  }
  report('one changed backend among these, until the kernel has it: 1 message', times, '10 ms');
  await loop.stop();
}

execFileSync('ip', ['addr', 'replace', `${NODE_ADDRESS}/32`, 'dev', 'lo']);
const kernel = openKernel({ interface: INTERFACE });
await kernel.prepare();
console.log('| what | median | range | target |\n| --- | --- | --- | --- |');
await benchProgramming(kernel);
await benchComparison(kernel, 1000, 50);
await benchComparison(kernel, 5000, 10);
await benchLoop(kernel);
