import type { SuiteCleanup } from './cleanup.ts';
import { ANY_PORT, serve, type ServingCli } from './cli-process.ts';
import { startResolver, startSmallMaster } from './e2e-master.ts';

/** `hoplite serve` on the small cluster, with the resolver for all other names; ready. */
export async function startSmallDaemon(t: SuiteCleanup): Promise<ServingCli> {
  const master = await startSmallMaster(t);
  const upstream = await startResolver(t);
  const daemon = await serve(t, {
    cluster: { masters: [master.text] },
    ...ANY_PORT,
    forward: { upstreams: [upstream.text] },
  });
  await daemon.ready();
  return daemon;
}
