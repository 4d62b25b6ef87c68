/** Parts of the status that tell how changes in the cluster reach the daemon. */

/** How the master's event stream stands. Times are ISO 8601 in UTC. */
export interface EventStreamStatus {
  /** `off`: nobody is followed; `waiting`: until the next attempt. */
  readonly state: 'off' | 'connecting' | 'following' | 'waiting';
  /** Why it is off, or why the last stream ended or was refused; null while all is well. */
  readonly reason: string | null;
  /** `host:port` of the master that is followed or asked; null: there is none. */
  readonly master: string | null;
  /** Since when it is in this state. */
  readonly since: string;
  /** Events since the start, heartbeats among them. */
  readonly records: number;
  /** Streams after the first one. */
  readonly reconnects: number;
  readonly lastRecordAt: string | null;
  /** Interval in which heartbeats are expected; null: none are, or there is no stream. */
  readonly heartbeatMs: number | null;
}

/** How the detection of the leader by ZooKeeper stands. Times are ISO 8601 in UTC. */
export interface ZookeeperStatus {
  /** false: leader and masters are as they were when ZooKeeper was last there. */
  readonly connected: boolean;
  /** `host:port` of the server that answers; null: none does. */
  readonly server: string | null;
  readonly servers: readonly string[];
  /** Granted timeout of the session; null: there is none. */
  readonly sessionMs: number | null;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly at: string;
  } | null;
  readonly leader: string | null;
  /** Since when it is the leader, as far as we have seen; null: there has been no word of any. */
  readonly since: string | null;
}

/** What is served though the master does not mention it. Times are ISO 8601 in UTC. */
export interface HoldStatus {
  /** `leader-changed`, `agents-missing`, `tasks-lost` or `cluster-empty`. */
  readonly reason: string;
  readonly since: string;
  /** When the last of it is given up; null: not while the master shows no tasks. */
  readonly until: string | null;
  readonly missingTasks: number;
  readonly missingAgents: number;
  /** Running tasks there were when the last of them went missing. */
  readonly knownTasks: number;
  /** Of missing among known tasks. */
  readonly share: number;
  /** Ids of a few missing tasks. */
  readonly examples: readonly string[];
}

/** How long something took: the last value and quantiles of the last 1,024, in milliseconds. */
export interface LatencyStatus {
  readonly count: number;
  readonly lastMs: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** How long changes took that the event stream told. */
export interface PropagationStatus {
  /** From the arrival of the event to the published table and to the changed kernel. */
  readonly event: { readonly table: LatencyStatus; readonly kernel: LatencyStatus };
  /** The same from the time that the status of the task has, by the clock of its agent. */
  readonly status: { readonly table: LatencyStatus; readonly kernel: LatencyStatus };
}

/** The file of services from outside of Mesos. */
export interface ServicesFileStatus {
  readonly path: string;
  /** Services in it that are served. */
  readonly services: number;
  /** Why it cannot be read, or is no services file: what it said before counts; null: it is good. */
  readonly problem: string | null;
}

/** How it stands with the health that Marathon knows of. Times are ISO 8601 in UTC. */
export interface MarathonStatus {
  /**
   * `ok`: Marathon answers; `stale`: it does not, and its last answer counts; `away`: health is what
   * Mesos says, since there is no answer or only an old one; `off`: stopped or not started.
   */
  readonly state: 'off' | 'ok' | 'stale' | 'away';
  /** Why Marathon's answer is old or missing; null while all is well. */
  readonly reason: string | null;
  /** `host:port` of the instance that answered last; null: none has. */
  readonly instance: string | null;
  /** Tasks that Marathon has a say in, and those of them that should get no traffic. */
  readonly tasks: number;
  readonly unhealthy: number;
  readonly notReady: number;
  readonly lastSuccessAt: string | null;
  readonly consecutiveFailures: number;
  /** Times Marathon was asked since the start. */
  readonly fetches: number;
  /** Parts of the last answer that made no sense. */
  readonly rejections: number;
  readonly bus: 'off' | 'connecting' | 'following' | 'waiting';
  /** Events after which Marathon was to be asked again, since the start. */
  readonly events: number;
}
