import type { Cluster } from './cluster.ts';
import type { Instance } from './cluster-master.ts';
import { eventually } from './eventually.ts';
import type { Hoplite } from './hoplite.ts';
import type { LoadReport, StreamReport } from './peer-protocol.ts';

/** How a deploy is carried out, and under what load. */
export interface RollingDeployPlan {
  readonly name: string;
  readonly vipPort: number;
  /** Backends get it and the following ones. */
  readonly firstPort: number;
  readonly ratePerSecond: number;
  /** How long the download takes that is held by then. */
  readonly downloadSeconds: number;
}

export interface RollingDeployReport {
  readonly load: LoadReport;
  readonly download: StreamReport;
  readonly downloadSeconds: number;
  readonly requestsPerSecond: number;
  /** Backends that answered, in the order in which they were started. */
  readonly answered: readonly string[];
}

const BACKENDS = 3;

/**
 * Replaces the three backends of a service one by one, as a scheduler does that waits for the new
 * one before it ends the old one, while node 1 makes requests and holds a download. An old backend
 * stops listening once it gets nothing new, and ends with its last connection.
 */
export async function rollingDeploy(
  cluster: Cluster,
  hoplite: Hoplite,
  plan: RollingDeployPlan,
): Promise<RollingDeployReport> {
  const { name, vipPort, firstPort } = plan;
  const peerOf = (instance: Instance): Promise<void> =>
    cluster.node(instance.node).peer.serveHttp(instance.port, instance.id);
  const backend = (generation: string, index: number): Instance => ({
    id: `${generation}${index}`,
    node: 1 + (index % cluster.nodes.length),
    port: firstPort + index + (generation === 'new' ? BACKENDS : 0),
  });
  const running = Array.from({ length: BACKENDS }, (_, index) => backend('old', index));
  for (const instance of running) await peerOf(instance);
  cluster.master.set({ name, vips: [`/${name}:${vipPort}`], instances: running });
  const url = `http://${await hoplite.vip(name)}:${vipPort}`;
  const key = `tcp ${url.slice('http://'.length)}`;
  const { peer } = hoplite.node;
  const stream = await peer.stream(`${url}/stream`);
  const load = await peer.load(url, plan.ratePerSecond);
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1_000;
  const weightOf = ({ node, port }: Instance): number | undefined =>
    hoplite.node.table().get(key)?.destinations.get(`10.9.0.${node}:${port}`)?.weight;
  let instances = running;
  for (const [index, old] of running.entries()) {
    // As evenly over the time of the download as a deploy is over a night.
    const due = ((index + 1) * plan.downloadSeconds) / (BACKENDS + 2);
    await eventually('the next step', () => seconds() >= due, { deadlineMs: 120_000 });
    const fresh = backend('new', index);
    await peerOf(fresh);
    cluster.master.scale(name, (instances = [...instances, fresh]));
    await hoplite.holds(`the new backend ${fresh.id}`, () => weightOf(fresh) === 1);
    const killed = { ...old, state: 'TASK_KILLING' };
    cluster.master.scale(name, (instances = instances.map((one) => (one === old ? killed : one))));
    await hoplite.holds(`the weight 0 of ${old.id}`, () => weightOf(old) === 0);
    await cluster.node(old.node).peer.stopListening(old.port);
    const { name: downloadedFrom } = await stream.look();
    // A task that still serves is still being killed.
    if (downloadedFrom === old.id) continue;
    cluster.master.scale(name, (instances = instances.filter((one) => one !== killed)));
  }
  const end = { deadlineMs: 1_000 * plan.downloadSeconds + 30_000 };
  await eventually('the end of the download', () => seconds() >= plan.downloadSeconds, end);
  const download = await stream.stop();
  const downloadSeconds = seconds();
  const report = await load.stop();
  return {
    load: report,
    download,
    downloadSeconds,
    requestsPerSecond: report.requests / downloadSeconds,
    answered: Object.keys(report.byName),
  };
}

/** The report as a sentence. */
export function describeDeploy(report: RollingDeployReport): string {
  const { load, download, downloadSeconds, requestsPerSecond, answered } = report;
  return (
    `${load.requests} requests (${requestsPerSecond.toFixed(0)}/s) over ${load.connections} ` +
    `connections: ${load.failures.length} failed, slowest ${load.slowestMs} ms; answered by ` +
    `${answered.join(', ')}; download of ${downloadSeconds.toFixed(0)} s from ${download.name}: ` +
    `${download.broken ?? 'not broken'}, longest pause ${download.longestGapMs} ms`
  );
}
