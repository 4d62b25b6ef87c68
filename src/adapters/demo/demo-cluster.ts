import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { HostPort } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import { DEMO_APPS, demoState, type DemoTask } from './demo-state.ts';

/** A scripted master and real HTTP servers behind its tasks, all on loopback. */
export interface DemoCluster {
  readonly master: HostPort;
  readonly tasks: readonly DemoTask[];
  close(): Promise<void>;
}

/** How long the task that comes and goes stays in one state. */
const TURN_MS = 20_000;

/** Linux answers on all of 127/8, so that two agents can have addresses of their own there. */
const AGENTS: readonly string[] =
  process.platform === 'linux' ? ['127.0.0.1', '127.0.0.2'] : ['127.0.0.1', '127.0.0.1'];

/** Starts everything on ports that the system chooses. */
export async function startDemoCluster(clock: Clock): Promise<DemoCluster> {
  const servers: Server[] = [];
  const listen = async (host: string, listener: RequestListener): Promise<number> => {
    const server = createServer(listener);
    servers.push(server);
    server.listen(0, host);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const tasks: (DemoTask & { readonly turns: boolean })[] = [];
  for (const { app, instances, unhealthy, comesAndGoes } of DEMO_APPS) {
    for (let instance = 0; instance < instances; instance++) {
      const agent = instance % AGENTS.length;
      const port = await listen(AGENTS[agent]!, (_request, response) => {
        response.end(`${app} instance ${instance}\n`);
      });
      const healthy = instance !== unhealthy;
      const turns = instance === comesAndGoes;
      tasks.push({ app, instance, agent, port, healthy, running: true, turns });
    }
  }
  const start = clock.monotonic();
  const current = (): DemoTask[] => {
    const isAway = Math.floor((clock.monotonic() - start) / TURN_MS) % 2 === 1;
    return tasks.map((task) => ({ ...task, running: !(task.turns && isAway) }));
  };
  const host = '127.0.0.1';
  const port = await listen(host, (request, response) => {
    if (request.url !== '/master/state') {
      response.writeHead(404).end();
      return;
    }
    const state = demoState(formatHostPort({ host, port }), AGENTS, current());
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(state));
  });
  return {
    master: { host, port },
    tasks,
    async close() {
      for (const server of servers) server.closeAllConnections();
      await Promise.all(servers.map((server) => once(server.close(), 'close')));
    },
  };
}
