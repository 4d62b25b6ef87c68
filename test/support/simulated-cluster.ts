import type { Random } from '../../src/core/base/random.ts';
import type { HostPort } from '../../src/core/config/config.ts';
import type { Json } from './state-builder.ts';

/** A task as it is, whatever anybody says of it. */
export interface SimTask {
  readonly framework: SimFramework;
  readonly id: string;
  readonly agent: SimAgent;
  readonly number: number;
  readonly address: string;
  state: 'TASK_STAGING' | 'TASK_STARTING' | 'TASK_RUNNING' | 'TASK_KILLING';
  /** null: no health check has run yet. */
  healthy: boolean | null;
  /** Of its RUNNING status. */
  ranAt: number;
}

export interface SimAgent {
  id: string;
  readonly host: string;
  /** Its machine runs, and so do its tasks. */
  isAlive: boolean;
  /** What the leading master thinks: `recovered` is known from the registry alone. */
  link: 'registered' | 'disconnected' | 'recovered' | 'gone';
}

export interface SimFramework {
  id: string;
  readonly name: string;
  /** Its scheduler is connected. */
  isActive: boolean;
  /** The leading master has heard of it. */
  isKnown: boolean;
}

/** What a master pretends in its `/state`: it lost its registry, or shows no tasks to us. */
export type Lie = 'empty' | 'blind' | null;

const AGENTS = 6;
const FRAMEWORKS = ['marathon', 'chronos', 'metro'];
const TASKS_MAX = 60;
const COMPLETED_MAX = 20;

type Ended = 'TASK_KILLED' | 'TASK_FAILED' | 'TASK_FINISHED' | 'TASK_LOST' | 'TASK_UNREACHABLE';

/** A cluster that changes at random, and its leading master, which tells of it as Mesos does. */
export class SimulatedCluster {
  readonly agents: SimAgent[];
  readonly frameworks: SimFramework[];
  readonly tasks: Set<SimTask> = new Set<SimTask>();
  lie: Lie = null;
  /** Number of the leader; another after every failover. */
  run = 1;
  /** Agents came back as others, which no event tells of those that they were. */
  replaced = 0;
  readonly #random: Random;
  readonly #tell: (record: string) => void;
  #completed: { readonly task: SimTask; readonly state: Ended }[] = [];
  #nextId = 0;
  #nowSeconds = 1_700_000_000;

  /** `tell` gets every event. */
  constructor(random: Random, tell: (record: string) => void) {
    this.#random = random;
    this.#tell = tell;
    this.agents = Array.from({ length: AGENTS }, (_, i) => ({
      id: `S${i}`,
      host: `10.0.0.${i + 1}`,
      isAlive: true,
      link: 'registered' as const,
    }));
    this.frameworks = FRAMEWORKS.map((name, i) => ({
      id: `F${i}`,
      name,
      isActive: true,
      isKnown: true,
    }));
    for (let i = 0; i < TASKS_MAX / 2; i++) {
      this.launch();
      this.progress();
      this.progress();
    }
  }

  get leader(): HostPort {
    return { host: `10.0.1.${(this.run % 3) + 1}`, port: 5050 };
  }

  /** Tasks that run, and can be reached. */
  running(): SimTask[] {
    return [...this.tasks].filter(({ state, agent }) => state === 'TASK_RUNNING' && agent.isAlive);
  }

  /** Whether the leader would tell of a task if it told the truth. */
  isTold({ agent, framework }: SimTask): boolean {
    return framework.isKnown && (agent.link === 'registered' || agent.link === 'disconnected');
  }

  tick(seconds: number): void {
    this.#nowSeconds += seconds;
  }

  pick<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.#random() * all.length)];
  }

  // What happens to tasks

  launch(): void {
    const framework = this.pick(this.frameworks.filter((one) => one.isActive && one.isKnown));
    const agent = this.pick(this.#reachable());
    if (framework === undefined || agent === undefined || this.tasks.size >= TASKS_MAX) return;
    const number = this.#nextId++;
    // Schedulers choose ids, and two of them may well choose the same.
    const taken = new Set(
      [...this.tasks].filter((one) => one.framework === framework).map(({ id }) => id),
    );
    let id = number % 500;
    while (taken.has(`t${id}`)) id++;
    const address = `10.${64 + ((number >> 16) & 63)}.${(number >> 8) & 255}.${number & 255}`;
    const task: SimTask = {
      ...{ framework, agent, number, address, id: `t${id}` },
      ...{ state: 'TASK_STAGING', healthy: null, ranAt: 0 },
    };
    this.tasks.add(task);
    this.#tellAdded(task);
  }

  /** One that has not come to run, or to its end, goes on. */
  progress(): void {
    const task = this.pick(this.#told().filter(({ state }) => state !== 'TASK_RUNNING'));
    if (task === undefined || !this.#isReachable(task.agent)) return;
    if (task.state === 'TASK_KILLING') this.#end(task, 'TASK_KILLED');
    else {
      const isStarting = task.state === 'TASK_STAGING' && this.#random() < 0.5;
      task.state = isStarting ? 'TASK_STARTING' : 'TASK_RUNNING';
      task.ranAt = this.#nowSeconds;
      this.#tellUpdated(task);
    }
  }

  flipHealth(): void {
    const task = this.#runningTold();
    if (task === undefined) return;
    task.healthy = task.healthy !== true;
    task.ranAt = this.#nowSeconds;
    this.#tellUpdated(task);
  }

  kill(): void {
    const task = this.#runningTold();
    if (task === undefined) return;
    task.state = 'TASK_KILLING';
    this.#tellUpdated(task);
  }

  end(): void {
    const task = this.#runningTold();
    if (task !== undefined) this.#end(task, this.#random() < 0.5 ? 'TASK_FAILED' : 'TASK_FINISHED');
  }

  /** Says again what was said before. */
  repeat(): void {
    const task = this.pick(this.#told());
    if (task === undefined) return;
    if (task.state === 'TASK_STAGING' || this.#random() < 0.3) this.#tellAdded(task);
    else this.#tellUpdated(task);
  }

  // What happens to agents

  /** It and its tasks are gone; the master waits for it for a while. */
  killAgent(): void {
    const agent = this.pick(this.#reachable());
    if (agent === undefined || this.#reachable().length <= 2) return;
    agent.isAlive = false;
    agent.link = 'disconnected';
  }

  /** The master cannot reach it for a while. */
  disconnectAgent(): void {
    const agent = this.pick(this.#reachable());
    if (agent !== undefined) agent.link = 'disconnected';
  }

  /** The master gives up one that died: it tells of the tasks alone. */
  loseAgent(): void {
    const agent = this.pick(this.agents.filter((one) => !one.isAlive && one.link !== 'gone'));
    if (agent === undefined) return;
    const state = this.#random() < 0.5 ? 'TASK_LOST' : 'TASK_UNREACHABLE';
    for (const task of this.#on(agent)) this.#end(task, state, agent.link === 'disconnected');
    agent.link = 'gone';
  }

  unregisterAgent(): void {
    const agent = this.pick(this.#reachable());
    if (agent === undefined || this.#reachable().length <= 2) return;
    for (const task of this.#on(agent)) this.#end(task, 'TASK_LOST');
    agent.isAlive = false;
    agent.link = 'gone';
    this.#say('AGENT_REMOVED', { agent_id: { value: agent.id } });
  }

  /** One that was away is back, with the tasks it still has. */
  returnAgent(): void {
    const agent = this.pick(this.agents.filter(({ link }) => link !== 'registered'));
    if (agent !== undefined) this.#return(agent);
  }

  // What happens to frameworks

  disconnectFramework(): void {
    const framework = this.pick(this.frameworks.filter((one) => one.isActive && one.isKnown));
    if (framework !== undefined) framework.isActive = false;
  }

  returnFramework(): void {
    const framework = this.pick(this.frameworks.filter((one) => !one.isActive || !one.isKnown));
    if (framework !== undefined) this.#returnFramework(framework);
  }

  /** One of its name comes back with another id. */
  tearDown(): void {
    const framework = this.pick(this.frameworks.filter(({ isKnown }) => isKnown));
    if (framework === undefined) return;
    const own = [...this.tasks].filter((task) => task.framework === framework);
    if (!own.every((task) => this.isTold(task))) return;
    for (const task of own) this.#end(task, 'TASK_KILLED');
    this.#say('FRAMEWORK_REMOVED', {
      framework_info: this.#v1Framework(framework)['framework_info'],
    });
    this.frameworks.splice(this.frameworks.indexOf(framework), 1, {
      id: `F${++this.#nextId}`,
      name: framework.name,
      isActive: false,
      isKnown: false,
    });
  }

  /** Another master leads, and knows nothing but what its registry says, if it has one. */
  failover(): void {
    this.run++;
    this.lie = null;
    this.#completed = [];
    const hasRegistry = this.#random() < 0.7;
    for (const agent of this.agents) {
      if (agent.link !== 'gone') agent.link = hasRegistry ? 'recovered' : 'gone';
    }
    for (const framework of this.frameworks) {
      framework.isKnown = framework.isActive = false;
    }
    for (const task of this.tasks) if (!task.agent.isAlive) this.tasks.delete(task);
  }

  /** All that was away is back, and something runs. */
  heal(): void {
    this.lie = null;
    for (const agent of this.agents) if (agent.link !== 'registered') this.#return(agent);
    for (const framework of this.frameworks) {
      if (!framework.isActive || !framework.isKnown) this.#returnFramework(framework);
    }
    this.launch();
    while (this.running().length === 0) this.progress();
  }

  #return(agent: SimAgent): void {
    const wasListed = agent.link === 'disconnected';
    if (wasListed && agent.isAlive) {
      agent.link = 'registered';
      return;
    }
    if (!agent.isAlive) {
      for (const task of this.#on(agent)) this.#end(task, 'TASK_LOST', wasListed);
      if (!wasListed && this.#random() < 0.3) {
        agent.id = `S${++this.#nextId}`;
        this.replaced++;
      }
    }
    agent.isAlive = true;
    agent.link = 'registered';
    const tasks = this.#on(agent);
    for (const { framework } of tasks) {
      if (framework.isKnown) continue;
      framework.isKnown = true;
      this.#say('FRAMEWORK_ADDED', { framework: this.#v1Framework(framework) });
    }
    for (const task of tasks) this.#tellAdded(task);
    this.#say('AGENT_ADDED', { agent: v1Agent(agent) });
  }

  #returnFramework(framework: SimFramework): void {
    const type = framework.isKnown ? 'FRAMEWORK_UPDATED' : 'FRAMEWORK_ADDED';
    framework.isActive = framework.isKnown = true;
    this.#say(type, { framework: this.#v1Framework(framework) });
  }

  #end(task: SimTask, state: Ended, isTold = true): void {
    this.tasks.delete(task);
    if (!isTold || !this.isTold(task)) return;
    this.#completed = [...this.#completed.slice(1 - COMPLETED_MAX), { task, state }];
    this.#tellUpdated(task, state);
  }

  #isReachable({ isAlive, link }: SimAgent): boolean {
    return isAlive && link === 'registered';
  }

  #reachable(): SimAgent[] {
    return this.agents.filter((agent) => this.#isReachable(agent));
  }

  #on(agent: SimAgent): SimTask[] {
    return [...this.tasks].filter((task) => task.agent === agent);
  }

  #told(): SimTask[] {
    return [...this.tasks].filter((task) => this.isTold(task));
  }

  #runningTold(): SimTask | undefined {
    const all = this.#told().filter(({ state }) => state === 'TASK_RUNNING');
    return this.pick(all.filter(({ agent }) => this.#isReachable(agent)));
  }

  // What the master says

  #say(type: string, event: Json): void {
    this.#tell(JSON.stringify({ type, [type.toLowerCase()]: event }));
  }

  #tellAdded(task: SimTask): void {
    this.#say('TASK_ADDED', { task: v1Task(task) });
  }

  #tellUpdated(task: SimTask, state: string = task.state): void {
    const status = {
      ...(state === task.state ? status0(task) : { state, timestamp: this.#nowSeconds }),
      task_id: { value: task.id },
      labels: {},
    };
    this.#say('TASK_UPDATED', { framework_id: { value: task.framework.id }, state, status });
  }

  /** SUBSCRIBED, as it would be now. */
  subscribed(): string {
    const known = this.frameworks.filter(({ isKnown }) => isKnown);
    const { registered, recovered } = this.#byLink();
    const get_state = {
      get_tasks: {
        tasks: this.#told().map(v1Task),
        completed_tasks: this.#completed.map(({ task, state }) => ({ ...v1Task(task), state })),
      },
      get_frameworks: { frameworks: known.map((one) => this.#v1Framework(one)) },
      get_agents: {
        agents: registered.map(v1Agent),
        recovered_agents: recovered.map(({ id }) => ({ id: { value: id } })),
      },
    };
    const subscribed = { get_state, heartbeat_interval_seconds: 15 };
    return JSON.stringify({ type: 'SUBSCRIBED', subscribed });
  }

  /** `GET /master/state`, as it would be now; `lie` false: the truth. */
  state(lie: Lie = this.lie): string {
    const { registered, recovered } = this.#byLink();
    const known = this.frameworks.filter(({ isKnown }) => isKnown);
    const pid = `master@${this.leader.host}:5050`;
    const of = (tasks: readonly Json[], { id }: SimFramework): Json[] =>
      tasks.filter((task) => task['framework_id'] === id);
    const told = this.#told().map(v0Task);
    const completed = this.#completed.map(({ task, state }) => ({ ...v0Task(task), state }));
    return JSON.stringify({
      ...{ id: `run-${this.run}`, pid, leader: pid },
      slaves: lie === 'empty' ? [] : registered.map(v0Agent),
      recovered_slaves: lie === 'empty' ? [] : recovered.map(({ id }) => ({ id })),
      frameworks:
        lie !== null
          ? []
          : known.map((one) => ({
              ...{ id: one.id, name: one.name, hostname: '10.0.2.1', active: one.isActive },
              ...{ tasks: of(told, one), completed_tasks: of(completed, one) },
            })),
    });
  }

  #byLink(): { readonly registered: SimAgent[]; readonly recovered: SimAgent[] } {
    return {
      registered: this.agents.filter(
        ({ link }) => link === 'registered' || link === 'disconnected',
      ),
      recovered: this.agents.filter(({ link }) => link === 'recovered'),
    };
  }

  #v1Framework({ id, name, isActive }: SimFramework): Json {
    return {
      framework_info: { id: { value: id }, name, hostname: '10.0.2.1', user: 'root' },
      active: isActive,
    };
  }
}

function v0Agent({ id, host, link }: SimAgent): Json {
  return { id, hostname: host, pid: `slave(1)@${host}:5051`, active: link === 'registered' };
}

function v1Agent(agent: SimAgent): Json {
  const { id, hostname, ...rest } = v0Agent(agent);
  return { ...rest, agent_info: { id: { value: id }, hostname, port: 5051 } };
}

function discovery({ number }: SimTask): Json {
  const labels = { labels: [{ key: 'VIP_0', value: `/web-${number % 7}:80` }] };
  const ports = [{ number: 8080, name: 'http', protocol: 'tcp', labels }];
  return { visibility: 'FRAMEWORK', name: `web-${number % 7}`, ports: { ports } };
}

/** The status of the state that it is in. */
function status0({ state, address, healthy, ranAt }: SimTask): Json {
  if (state === 'TASK_KILLING') return { state, timestamp: ranAt + 1 };
  const network_infos = [
    { ip_addresses: [{ protocol: 'IPv4', ip_address: address }], name: 'dcos' },
  ];
  const isChecked = state === 'TASK_RUNNING' && healthy !== null;
  return {
    ...{ state, timestamp: ranAt, container_status: { network_infos } },
    ...(isChecked ? { healthy } : {}),
  };
}

function v0Task(task: SimTask): Json {
  const { id, framework, agent, state, number } = task;
  const statuses = state === 'TASK_STAGING' ? [] : [status0(task)];
  if (state === 'TASK_KILLING') statuses.unshift(status0({ ...task, state: 'TASK_RUNNING' }));
  return {
    ...{ id, name: `web-${number % 7}`, framework_id: framework.id, slave_id: agent.id, state },
    ...{ statuses, discovery: discovery(task), labels: [] },
    resources: { cpus: 0.1, ports: `[${31_000 + (number % 900)}-${31_000 + (number % 900)}]` },
    ...(number % 2 === 0 ? { health_check: {} } : {}),
  };
}

function v1Task(task: SimTask): Json {
  const { id, framework_id, slave_id, statuses, ...rest } = v0Task(task);
  const port = 31_000 + (task.number % 900);
  return {
    ...rest,
    ...{ task_id: { value: id }, framework_id: { value: framework_id } },
    ...{ agent_id: { value: slave_id }, labels: {} },
    resources: [{ name: 'ports', type: 'RANGES', ranges: { range: [{ begin: port, end: port }] } }],
    statuses: (statuses as readonly Json[]).map((status) => ({ ...status, labels: {} })),
  };
}
