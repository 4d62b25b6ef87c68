/**
 * Entry of the generation worker: parses states, builds generations and renders views, so that
 * none of it delays an answer. It talks to nobody but the main thread.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { digestOf, readStateFile, writeStateFile } from '../adapters/state-file.ts';
import { type IpAddress, parseIpAddress } from '../core/base/address.ts';
import { assert } from '../core/base/assert.ts';
import { RejectionList } from '../core/base/rejection.ts';
import { buildCatalog, type HostAddresses } from '../core/catalog/catalog.ts';
import { AnswerTable } from '../core/dns/answer-table.ts';
import { GenerationBuilder } from '../core/generation-builder.ts';
import type { ViewRequest, WatchUpdate } from '../core/ports.ts';
import { enumerateView } from '../core/views/enumerate-view.ts';
import { explainView } from '../core/views/explain-view.ts';
import { axfrView, recordsView } from '../core/views/rest-view.ts';
import { rejectOwnAddresses } from '../core/views/ipvs-view.ts';
import { vipsView } from '../core/views/vips-view.ts';
import { ClusterIntake } from './cluster-intake.ts';
import { DesiredUpdates } from './kernel/desired-updates.ts';
import { KeptState } from './kept-state.ts';
import { Overlays } from './overlays.ts';
import { type NumberedGeneration, WatchedStates } from './watched-states.ts';
import type {
  BuildReport,
  HostTexts,
  SaveReport,
  WorkerCall,
  WorkerReply,
  WorkerRequests,
  WorkerSettings,
} from './generation-protocol.ts';

/** Enough for the log to show what kind of thing was rejected. */
const REJECTIONS_REPORTED_MAX = 5;

/**
 * Nice value of this thread: where a build and the threads that answer want the same CPU, the build
 * waits. It still gets a quarter of it beside a thread that never rests.
 */
const NICE = 5;

/** The worker's state: the last snapshot, and the one that is served with its generation. */
class GenerationWorker {
  #settings: WorkerSettings;
  readonly #kept = new KeptState({ digestOf, write: writeStateFile, read: readStateFile });
  readonly #intake: ClusterIntake;
  readonly #builder = new GenerationBuilder();
  readonly #overlays = new Overlays();
  #built: NumberedGeneration | null = null;
  readonly #watched = new WatchedStates();
  readonly #desired = new DesiredUpdates();

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
    this.#intake = new ClusterIntake(settings, this.#kept);
  }

  /** The reply, or a promise of it where a disk is waited for. */
  handle(call: WorkerCall): unknown {
    switch (call.method) {
      case 'read':
        return this.#intake.readState(call.in);
      case 'events':
        return this.#intake.takeEvents(call.in);
      case 'health':
        this.#overlays.takeHealth(call.in);
        return null;
      case 'services':
        return this.#overlays.takeServices(call.in);
      case 'save':
        return this.#save(call.in);
      case 'load':
        return this.#intake.load(call.in);
      case 'build':
        return this.#build(call.in);
      case 'kernelUpdate':
        return this.#built && this.#desired.whole(this.#built.generation, call.in.addresses);
      case 'configure':
        this.#settings = call.in;
        this.#intake.configure(call.in);
        return null;
      case 'watch':
        return this.#watch(call.in.isWatched);
      case 'watchSnapshot':
        return this.#watched.snapshot(this.#last(), this.#settings.zone, call.in);
      case 'view':
        return `${JSON.stringify(this.#view(call.in), null, 1)}\n`;
    }
  }

  async #save(request: WorkerRequests['save']['in']): Promise<SaveReport> {
    if (request !== null) {
      return { isWritten: await this.#kept.save(request.path, request.takenAt) };
    }
    this.#kept.drop();
    return { isWritten: false };
  }

  #build(request: WorkerRequests['build']['in']): BuildReport {
    const { of, hosts, previous, nowSeconds, nowMs, node, number } = request;
    const start = performance.now();
    const { zone, kernel, marathonFramework } = this.#settings;
    const { read, hold, isSaved } = this.#intake.believe(of, nowMs, nowSeconds * 1000);
    const addresses = addressesOf(hosts);
    const generation = this.#builder.build({
      previous: previous === null ? null : AnswerTable.of(previous),
      read: this.#overlays.over(read, addresses, marathonFramework),
      hosts: addresses,
      settings: zone,
      nowSeconds,
      programmed: node.programmed === null ? null : new Set(node.programmed),
    });
    this.#built = { number, generation };
    const { snapshot, vips, rejections } = generation;
    if (kernel) rejectOwnAddresses(vips, node.addresses, rejections);
    return {
      table: generation.table.shared,
      changed: generation.changed,
      buildMs: performance.now() - start,
      isIncremental: generation.vipChanges !== null,
      frameworks: snapshot.frameworks.length,
      agents: snapshot.agents.length,
      tasks: snapshot.taskCount,
      rejections: rejections.total,
      vips: {
        enabled: zone.vip.enabled,
        services: vips.services.length,
        digest: vips.digest,
      },
      hold,
      services: this.#overlays.serviceCount,
      kernelUpdate: kernel
        ? this.#desired.next(generation, node.addresses, nowSeconds, isSaved)
        : null,
      firstRejections: rejections.items.slice(0, REJECTIONS_REPORTED_MAX),
    };
  }

  #watch(isWatched: boolean): WatchUpdate | null {
    if (isWatched) return this.#watched.update(this.#last(), this.#settings.zone);
    this.#watched.forget();
    return null;
  }

  #last(): NumberedGeneration {
    if (this.#built === null) throw new Error('there is no state yet');
    return this.#built;
  }

  #view(request: ViewRequest): unknown {
    const { zone, pollIntervalMs } = this.#settings;
    const { table, snapshot, hosts, vips, programmed, rejections } = this.#last().generation;
    switch (request.kind) {
      case 'axfr':
        return axfrView(table, zone, pollIntervalMs / 1000);
      case 'records':
        return recordsView(table);
      case 'rejections':
        return {
          total: rejections.total,
          notShown: rejections.total - rejections.items.length,
          rejections: rejections.items,
        };
      case 'vips':
        return vipsView(vips, zone.dns.domain, programmed);
      case 'enumerate':
      case 'explain': {
        const catalog = buildCatalog(snapshot, hosts, zone.names, new RejectionList());
        const cluster = { catalog, vips, programmed };
        return request.kind === 'enumerate'
          ? enumerateView(cluster, zone)
          : explainView(table, cluster, zone, request.name);
      }
      case 'ipvs':
      case 'ipvs-plan':
        throw new Error('the kernel process renders this view');
    }
  }
}

/** Addresses by host name; what is no address is none. */
function addressesOf(hosts: HostTexts): HostAddresses {
  const addresses = new Map<string, readonly IpAddress[]>();
  for (const [name, texts] of hosts) {
    addresses.set(
      name,
      texts.map((text) => parseIpAddress(text)).filter((address) => address !== null),
    );
  }
  return addresses;
}

// Linux alone has a priority for each thread; elsewhere this would be the whole daemon's.
if (process.platform === 'linux') setPriority(NICE);
const port = parentPort;
assert(port !== null, 'this file runs as a worker');
const worker = new GenerationWorker(workerData as WorkerSettings);
port.on('message', (call: WorkerCall) => void answer(call));

/** A call that waits for a disk lets those after it pass. */
async function answer(call: WorkerCall): Promise<void> {
  let reply: WorkerReply;
  try {
    const out = worker.handle(call);
    reply = { id: call.id, ok: true, out: out instanceof Promise ? await out : out };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { id: call.id, ok: false, message };
  }
  port!.postMessage(reply, updatesIn(reply));
}

/** Memory in a reply that moves with it: tables of thousands of VIPs need not be copied. */
function updatesIn(reply: WorkerReply): ArrayBuffer[] {
  const out = reply.ok ? reply.out : null;
  if (typeof out !== 'object' || out === null) return [];
  const update = 'kernelUpdate' in out ? out.kernelUpdate : out;
  return update instanceof Uint8Array && update.buffer instanceof ArrayBuffer
    ? [update.buffer]
    : [];
}
