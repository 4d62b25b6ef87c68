import type { Random } from '../src/core/base/random.ts';

/** How large a cluster is. */
export interface ClusterSize {
  readonly tasks: number;
  readonly agents: number;
  /** Whether every task declares a VIP. */
  readonly vips: boolean;
}

/** A task as far as it differs from others. */
interface LiveTask {
  readonly id: string;
  readonly service: string;
  readonly agent: number;
  readonly port: number;
  healthy: boolean;
  /** When its status was last told, Unix seconds. */
  timestamp: number;
  /** Its entry in the state; null: to be made anew. */
  text: string | null;
}

/** What can happen to a cluster; `gone` and `come` are backends of a service that has others. */
export const CHANGE_KINDS = ['health', 'gone', 'come', 'new', 'end'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** Something that happened, and how DNS shows it. */
export interface ClusterChange {
  readonly kind: ChangeKind;
  /** JSON texts of the master's events. */
  readonly events: readonly string[];
  readonly service: string;
  /** That of the task; its port. */
  readonly address: string;
  readonly port: number;
  /** Whether the name of the service has the address from now on. */
  readonly isThere: boolean;
}

const FRAMEWORK_ID = 'fw-marathon';
/** Instances of a service, apart from jobs, which have one. */
const INSTANCES = 4;
/** One in so many tasks is a job: a service of its own that comes and goes. */
const JOB_SHARE = 10;
/** Backends that may be gone before others come for them. */
const OWED_MAX = 20;

/**
 * A cluster that changes and tells of it as a master does: in `/state` and by events. Services of
 * four instances on different agents, some of which are away, and jobs of one; its size stays the same.
 */
export class LiveCluster {
  readonly #size: ClusterSize;
  readonly #random: Random;
  /** By id, as a list to choose from. */
  readonly #tasks: LiveTask[] = [];
  readonly #byService = new Map<string, LiveTask[]>();
  readonly #jobs: LiveTask[] = [];
  readonly #jobCount: number;
  /** Services that lack instances. */
  readonly #owed: string[] = [];
  readonly #unhealthy = new Set<LiveTask>();
  #made = 0;
  #now = 1_700_000_000;

  constructor(size: ClusterSize, random: Random) {
    this.#size = size;
    this.#random = random;
    this.#jobCount = Math.floor(size.tasks / JOB_SHARE);
    while (this.#jobs.length < this.#jobCount) this.#jobs.push(this.#start(this.#jobName()));
    for (let n = 0; this.#tasks.length < size.tasks; n++) {
      const name = `svc${Math.floor(n / INSTANCES)}`;
      this.#start(name);
    }
  }

  /** Lets time pass: what happens next has this time, in Unix seconds. */
  set now(seconds: number) {
    this.#now = seconds;
  }

  /** What happens next, of a kind or of any. */
  change(kind: ChangeKind = this.#kind()): ClusterChange {
    switch (kind) {
      case 'health':
        return this.#flip();
      case 'gone':
        return this.#end(this.#pickBackend(), kind);
      case 'come': {
        const service = this.#owed.shift() ?? this.#pickBackend().service;
        return this.#began(this.#start(service), kind);
      }
      case 'new': {
        const job = this.#start(this.#jobName());
        this.#jobs.push(job);
        return this.#began(job, kind);
      }
      case 'end': {
        const job = this.#jobs.shift();
        if (job === undefined) throw new Error('there is no job');
        return this.#end(job, kind);
      }
    }
  }

  /** What `/state` of a master at `host:port` says. */
  stateText(master: string): string {
    const leader = `master@${master}`;
    const head = { version: '1.11.0', id: 'run-1', pid: leader, leader };
    const slaves = this.#agents().map(({ id, host }) => ({
      id,
      hostname: host,
      pid: `slave(1)@${host}:5051`,
      port: 5051,
      active: true,
      resources: { cpus: 32, mem: 64_000, disk: 100_000, ports: '[1025-2180, 2182-32000]' },
    }));
    const framework = { id: FRAMEWORK_ID, name: 'marathon', active: true, hostname: '127.0.0.1' };
    const tasks = this.#tasks.map((task) => (task.text ??= JSON.stringify(this.#v0(task))));
    return (
      `${JSON.stringify(head).slice(0, -1)},"slaves":${JSON.stringify(slaves)},` +
      `"frameworks":[${JSON.stringify(framework).slice(0, -1)},"tasks":[${tasks.join()}],` +
      `"completed_tasks":[]}],"completed_frameworks":[],"orphan_tasks":[]}`
    );
  }

  /** The event that a stream begins with. */
  subscribedText(): string {
    const agents = this.#agents().map(({ id, host }) => ({
      agent_info: { hostname: host, port: 5051, id: { value: id } },
      active: true,
      pid: `slave(1)@${host}:5051`,
    }));
    const framework = {
      framework_info: {
        user: 'root',
        name: 'marathon',
        id: idOf(FRAMEWORK_ID),
        hostname: '127.0.0.1',
      },
      active: true,
    };
    const get_state = {
      get_tasks: { tasks: this.#tasks.map((task) => this.#v1(task, 'TASK_RUNNING')) },
      get_executors: {},
      get_frameworks: { frameworks: [framework] },
      get_agents: { agents },
    };
    const subscribed = { get_state, heartbeat_interval_seconds: 15 };
    return JSON.stringify({ type: 'SUBSCRIBED', subscribed });
  }

  /** One kind after the other more or less often, so that the cluster keeps its size. */
  #kind(): ChangeKind {
    const draw = this.#random();
    if (draw < 0.4) return 'health';
    if (draw < 0.8) {
      const owed = this.#owed.length;
      return owed === 0 || (owed < OWED_MAX && this.#random() < 0.5) ? 'gone' : 'come';
    }
    return this.#jobs.length <= this.#jobCount ? 'new' : 'end';
  }

  #jobName(): string {
    return `job${this.#made}`;
  }

  /** A healthy task of a service that keeps another one. */
  #pickBackend(): LiveTask {
    for (;;) {
      const task = this.#tasks[Math.floor(this.#random() * this.#tasks.length)]!;
      const others = this.#byService.get(task.service) ?? [];
      if (task.healthy && others.filter(({ healthy }) => healthy).length > 1) return task;
    }
  }

  #start(service: string): LiveTask {
    const { agents } = this.#size;
    const instances = this.#byService.get(service) ?? [];
    const isTaken = (agent: number): boolean => instances.some((one) => one.agent === agent);
    let agent = Math.floor(this.#random() * agents);
    while (isTaken(agent)) agent = (agent + 1) % agents;
    const number = this.#made++;
    const suffix = number.toString(16).padStart(8, '0');
    const task: LiveTask = {
      id: `${service}.instance-${suffix}-aaaa-11ee-bbbb-0242ac110002._app.1`,
      service,
      agent,
      port: 10_000 + (number % 20_000),
      healthy: true,
      timestamp: this.#now,
      text: null,
    };
    this.#tasks.push(task);
    this.#byService.set(service, [...instances, task]);
    return task;
  }

  #began(task: LiveTask, kind: ChangeKind): ClusterChange {
    const added = { type: 'TASK_ADDED', task_added: { task: this.#v1(task, 'TASK_STAGING') } };
    return this.#told(task, kind, true, [
      JSON.stringify(added),
      this.#update(task, 'TASK_RUNNING'),
    ]);
  }

  #end(task: LiveTask, kind: ChangeKind): ClusterChange {
    task.timestamp = this.#now;
    this.#tasks.splice(this.#tasks.indexOf(task), 1);
    const left = (this.#byService.get(task.service) ?? []).filter((one) => one !== task);
    if (left.length > 0) this.#byService.set(task.service, left);
    else this.#byService.delete(task.service);
    if (kind === 'gone') this.#owed.push(task.service);
    return this.#told(task, kind, false, [this.#update(task, 'TASK_KILLED')]);
  }

  /** A task becomes unhealthy, or one that is so healthy again. */
  #flip(): ClusterChange {
    const [ill] = this.#unhealthy;
    const heals = ill !== undefined && (this.#unhealthy.size >= OWED_MAX || this.#random() < 0.5);
    const task = heals ? ill : this.#pickBackend();
    task.healthy = heals;
    task.timestamp = this.#now;
    task.text = null;
    if (heals) this.#unhealthy.delete(task);
    else this.#unhealthy.add(task);
    return this.#told(task, 'health', heals, [this.#update(task, 'TASK_RUNNING')]);
  }

  #told(
    { service, agent, port }: LiveTask,
    kind: ChangeKind,
    isThere: boolean,
    events: readonly string[],
  ): ClusterChange {
    return { kind, events, service, address: addressOf(agent), port, isThere };
  }

  #agents(): { readonly id: string; readonly host: string }[] {
    return Array.from({ length: this.#size.agents }, (_, i) => ({
      id: `a5e1-S${i}`,
      host: addressOf(i),
    }));
  }

  #v0(task: LiveTask): object {
    return {
      ...this.#common(task),
      id: task.id,
      framework_id: FRAMEWORK_ID,
      executor_id: '',
      slave_id: `a5e1-S${task.agent}`,
      state: 'TASK_RUNNING',
      resources: { cpus: 0.5, mem: 128, disk: 0, gpus: 0, ports: `[${task.port}-${task.port}]` },
      labels: [{ key: 'team', value: 't1' }],
      statuses: [statusOf(task, 'TASK_RUNNING')],
    };
  }

  #v1(task: LiveTask, state: string): object {
    const range = [{ begin: task.port, end: task.port }];
    return {
      ...this.#common(task),
      task_id: idOf(task.id),
      framework_id: idOf(FRAMEWORK_ID),
      agent_id: idOf(`a5e1-S${task.agent}`),
      state,
      resources: [
        { name: 'cpus', type: 'SCALAR', scalar: { value: 0.5 } },
        { name: 'ports', type: 'RANGES', ranges: { range } },
      ],
      labels: { labels: [{ key: 'team', value: 't1' }] },
      statuses: state === 'TASK_RUNNING' ? [statusOf(task, state)] : [],
    };
  }

  #common({ service, port }: LiveTask): object {
    const vip = { labels: { labels: [{ key: 'VIP_0', value: `/${service}:80` }] } };
    const named = { number: port, protocol: 'tcp', name: 'http' };
    return {
      name: service,
      role: '*',
      health_check: { type: 'COMMAND' },
      container: { type: 'MESOS' },
      discovery: {
        visibility: 'FRAMEWORK',
        name: service,
        ports: { ports: [this.#size.vips ? { ...named, ...vip } : named] },
      },
    };
  }

  #update(task: LiveTask, state: string): string {
    const status = {
      ...statusOf(task, state),
      task_id: idOf(task.id),
      source: 'SOURCE_EXECUTOR',
      agent_id: idOf(`a5e1-S${task.agent}`),
    };
    const task_updated = { framework_id: idOf(FRAMEWORK_ID), status, state };
    return JSON.stringify({ type: 'TASK_UPDATED', task_updated });
  }
}

function idOf(value: string): { readonly value: string } {
  return { value };
}

function addressOf(agent: number): string {
  return `10.64.${agent >> 8}.${agent & 255}`;
}

function statusOf({ agent, healthy, timestamp, id }: LiveTask, state: string): object {
  const ip_addresses = [{ protocol: 'IPv4', ip_address: addressOf(agent) }];
  return {
    state,
    timestamp,
    healthy,
    container_status: { container_id: { value: `c-${id}` }, network_infos: [{ ip_addresses }] },
  };
}
