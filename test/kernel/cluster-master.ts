import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

/** One task of a service. */
export interface Instance {
  /** Tells it from the others of the service. */
  readonly id: string;
  /** Number of its node. */
  readonly node: number;
  readonly port: number;
  /** Default TASK_RUNNING. */
  readonly state?: string;
  /** Result of its health check; without one there is none. */
  readonly healthy?: boolean;
  /** Addresses of its own; without them it has those of its node. */
  readonly addresses?: readonly string[];
}

/** A service of the framework `marathon`. */
export interface App {
  /** Task and discovery name. */
  readonly name: string;
  /** Values of its port's VIP labels, such as `/web:80`. */
  readonly vips: readonly string[];
  /** Default tcp. */
  readonly protocol?: string;
  /** Further labels of the port. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly instances: readonly Instance[];
}

type Json = Record<string, unknown>;

/** A Mesos master whose cluster a test changes at will. */
export class ClusterMaster {
  readonly text: string;
  /** What is asked for and answered with the state, so far. */
  polls = 0;
  readonly #server: Server;
  readonly #agents: number;
  readonly #apps = new Map<string, App>();
  #isDown = false;

  private constructor(server: Server, text: string, agents: number) {
    this.#server = server;
    this.text = text;
    this.#agents = agents;
    server.on('request', (request, response) => {
      if (this.#isDown || request.url?.startsWith('/master/state') !== true) {
        response.writeHead(this.#isDown ? 503 : 404).end();
        return;
      }
      this.polls += 1;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(this.#state()));
    });
  }

  /** Listens on port 5050 of an address; agents are nodes 1 to `agents`. */
  static async start(address: string, agents: number): Promise<ClusterMaster> {
    const server = createServer();
    server.listen(5050, address);
    await once(server, 'listening');
    return new ClusterMaster(server, `${address}:5050`, agents);
  }

  /** Adds a service or replaces the one of its name. */
  set(app: App): void {
    this.#apps.set(app.name, app);
  }

  /** Sets instances of a service as they are from now on. */
  scale(name: string, instances: readonly Instance[]): void {
    const app = this.#apps.get(name);
    if (app === undefined) throw new Error(`there is no service ${name}`);
    this.#apps.set(name, { ...app, instances });
  }

  remove(name: string): void {
    this.#apps.delete(name);
  }

  /** While it is down it answers 503. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await once(this.#server.close(), 'close');
  }

  #state(): Json {
    const pid = `master@${this.text}`;
    const numbers = Array.from({ length: this.#agents }, (_, index) => index + 1);
    const tasks = [...this.#apps.values()].flatMap((app) =>
      app.instances.map((instance) => task(app, instance)),
    );
    return {
      version: '1.11.0',
      pid,
      leader: pid,
      slaves: numbers.map((number) => ({
        id: `agent-S${number}`,
        hostname: `10.9.0.${number}`,
        pid: `slave(1)@10.9.0.${number}:5051`,
        active: true,
      })),
      frameworks: [
        { id: 'marathon-0', name: 'marathon', active: true, hostname: '10.9.0.254', tasks },
      ],
    };
  }
}

function task(app: App, instance: Instance): Json {
  const { id, node, port, state = 'TASK_RUNNING', healthy, addresses } = instance;
  const protocol = app.protocol ?? 'tcp';
  const own = addresses !== undefined;
  const network = {
    ...(own ? { name: 'overlay' } : {}),
    ip_addresses: (addresses ?? [`10.9.0.${node}`]).map((ip_address) => ({
      protocol: ip_address.includes(':') ? 'IPv6' : 'IPv4',
      ip_address,
    })),
  };
  const labels = [
    ...app.vips.map((value, index) => ({ key: `VIP_${index}`, value })),
    ...Object.entries(app.labels ?? {}).map(([key, value]) => ({ key, value })),
  ];
  return {
    id: `${app.name}.${id}`,
    name: app.name,
    framework_id: 'marathon-0',
    executor_id: '',
    slave_id: `agent-S${node}`,
    state,
    resources: own ? {} : { ports: `[${port}-${port}]` },
    ...(own ? { container: { type: 'MESOS', network_infos: [network] } } : {}),
    ...(healthy === undefined ? {} : { health_check: { type: 'HTTP' } }),
    statuses: [
      {
        state,
        timestamp: state === 'TASK_RUNNING' ? 1_700_000_000 : 1_700_000_100,
        ...(healthy === undefined ? {} : { healthy }),
        container_status: { network_infos: [network] },
      },
    ],
    discovery: {
      visibility: 'FRAMEWORK',
      name: app.name,
      ports: { ports: [{ number: port, protocol, name: 'main', labels: { labels } }] },
    },
  };
}
