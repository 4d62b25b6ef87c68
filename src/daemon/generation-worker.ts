/**
 * Entry of the generation worker: parses states, builds generations and renders views, so that
 * none of it delays an answer. It talks to nobody but the main thread.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type IpAddress, parseIpAddress } from '../core/base/address.ts';
import { assert } from '../core/base/assert.ts';
import { RejectionList } from '../core/base/rejection.ts';
import { buildCatalog, hostNames } from '../core/catalog/catalog.ts';
import { AnswerTable } from '../core/dns/answer-table.ts';
import { RecordStore } from '../core/dns/record-store.ts';
import { type Generation, nextGeneration, type ReadSnapshot } from '../core/generation.ts';
import { parseState } from '../core/mesos/parse-state.ts';
import type { ViewRequest } from '../core/ports.ts';
import { enumerateView } from '../core/views/enumerate-view.ts';
import { explainView } from '../core/views/explain-view.ts';
import { axfrView, recordsView } from '../core/views/rest-view.ts';
import { rejectOwnAddresses } from '../core/views/ipvs-view.ts';
import { vipsView } from '../core/views/vips-view.ts';
import { DesiredUpdates } from './kernel/desired-updates.ts';
import type {
  BuildReport,
  ReadReport,
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
  /** Memory of the largest generation so far, used for each. */
  readonly #store = new RecordStore(() => undefined);
  /** What a master said last; nothing of it counts before it is built. */
  #read: ReadSnapshot | null = null;
  #built: ReadSnapshot | null = null;
  #generation: Generation | null = null;
  readonly #desired = new DesiredUpdates();

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
  }

  handle(call: WorkerCall): unknown {
    switch (call.method) {
      case 'read':
        return this.#readState(call.in);
      case 'build':
        return this.#build(call.in);
      case 'kernelUpdate':
        return this.#generation && this.#desired.whole(this.#generation, call.in.addresses);
      case 'configure':
        this.#settings = call.in;
        return null;
      case 'view':
        return `${JSON.stringify(this.#view(call.in), null, 1)}\n`;
    }
  }

  #readState({ chunks }: WorkerRequests['read']['in']): ReadReport {
    const start = performance.now();
    const body = Buffer.concat(chunks);
    const rejections = new RejectionList();
    const parsed = parseState(body, rejections);
    if (!parsed.ok) throw new Error(parsed.error);
    this.#read = { snapshot: parsed.value, rejections };
    return {
      leader: parsed.value.leader,
      fromLeader: parsed.value.fromLeader,
      agents: parsed.value.agents.length,
      hostNames: hostNames(parsed.value, this.#settings.zone.masters),
      stateBytes: body.length,
      parseMs: performance.now() - start,
    };
  }

  #build({ of, hosts, previous, nowSeconds, node }: WorkerRequests['build']['in']): BuildReport {
    const read = of === 'read' ? this.#read : this.#built;
    if (read === null) throw new Error('the state is gone with the worker that read it');
    const start = performance.now();
    const addresses = new Map<string, readonly IpAddress[]>();
    for (const [name, texts] of hosts) {
      addresses.set(
        name,
        texts.map((text) => parseIpAddress(text)).filter((address) => address !== null),
      );
    }
    const before = previous === null ? null : new AnswerTable(previous);
    const { zone, kernel } = this.#settings;
    const programmed = node.programmed === null ? null : new Set(node.programmed);
    const generation = nextGeneration(
      before,
      read,
      addresses,
      zone,
      nowSeconds,
      programmed,
      this.#store,
    );
    this.#built = read;
    this.#generation = generation;
    const { snapshot, vips, rejections } = generation;
    if (kernel) rejectOwnAddresses(vips, node.addresses, rejections);
    return {
      table: generation.table.buffer,
      changed: generation.changed,
      buildMs: performance.now() - start,
      frameworks: snapshot.frameworks.length,
      agents: snapshot.agents.length,
      tasks: snapshot.taskCount,
      rejections: rejections.total,
      vips: {
        enabled: zone.vip.enabled,
        services: vips.services.length,
        digest: vips.digest,
      },
      kernelUpdate: kernel ? this.#desired.next(generation, node.addresses, nowSeconds) : null,
      firstRejections: rejections.items.slice(0, REJECTIONS_REPORTED_MAX),
    };
  }

  #view(request: ViewRequest): unknown {
    const generation = this.#generation;
    if (generation === null) throw new Error('there is no state yet');
    const { zone, pollIntervalMs } = this.#settings;
    const { table, snapshot, hosts, vips, programmed, rejections } = generation;
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

// Linux alone has a priority for each thread; elsewhere this would be the whole daemon's.
if (process.platform === 'linux') setPriority(NICE);
const port = parentPort;
assert(port !== null, 'this file runs as a worker');
const worker = new GenerationWorker(workerData as WorkerSettings);
port.on('message', (call: WorkerCall) => {
  let reply: WorkerReply;
  try {
    reply = { id: call.id, ok: true, out: worker.handle(call) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { id: call.id, ok: false, message };
  }
  port.postMessage(reply, updatesIn(reply));
});

/** Memory in a reply that moves with it: tables of thousands of VIPs need not be copied. */
function updatesIn(reply: WorkerReply): ArrayBuffer[] {
  const out = reply.ok ? reply.out : null;
  if (typeof out !== 'object' || out === null) return [];
  const update = 'kernelUpdate' in out ? out.kernelUpdate : out;
  return update instanceof Uint8Array && update.buffer instanceof ArrayBuffer
    ? [update.buffer]
    : [];
}
