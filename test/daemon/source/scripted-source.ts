import type { TestContext } from 'node:test';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { formatHostPort } from '../../../src/core/base/host-port.ts';
import type { Random } from '../../../src/core/base/random.ts';
import type { HostPort } from '../../../src/core/config/config.ts';
import type { LogFields } from '../../../src/core/ports.ts';
import type {
  BuildOf,
  BuildReport,
  EventsReport,
  HostTexts,
  ReadReport,
} from '../../../src/daemon/generation-protocol.ts';
import type { DetectedMasters } from '../../../src/daemon/leader/master-detector.ts';
import {
  ClusterSource,
  type ClusterSourceParts,
  type Detector,
  type FetchedState,
  type RecalledState,
  type SourcePlan,
} from '../../../src/daemon/source/cluster-source.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { ANY_BUILD } from '../../support/build-report.ts';
import { ScriptedStream } from './scripted-streams.ts';

export const INTERVAL_MS = 30_000;

/** Master number n of a cluster. */
export const master = (n: number): HostPort => ({ host: `10.0.0.${n}`, port: 5050 });

/** What masters say, by what they were asked; a state is its leader in this play. */
export type Saying = (asked: HostPort, signal: AbortSignal) => Promise<ScriptedState>;

export interface ScriptedState {
  /** The master says that it leads itself. */
  readonly fromLeader?: boolean;
  readonly agents?: number;
  readonly leader: HostPort;
  /** The one asked unless it redirected. */
  readonly answeredBy?: HostPort;
  readonly hostNames?: readonly string[];
}

/** A clock that remembers what was waited for. */
export class RecordingClock extends ManualClock {
  /** Of every timer that was set, the newest last. */
  readonly delaysMs: number[] = [];

  override after(delayMs: number, callback: () => void): () => void {
    this.delaysMs.push(delayMs);
    return super.after(delayMs, callback);
  }
}

/** A source whose parts write down what they are told to do. */
export interface ScriptedSource {
  readonly source: ClusterSource;
  readonly clock: RecordingClock;
  /**
   * Such as `fetch 10.0.0.1:5050`, `read`, `events a b`, `resolve a,b 1000`, `build read`,
   * `publish 10.0.0.1:5050`, `subscribe 10.0.0.1:5050`.
   */
  readonly calls: string[];
  readonly logged: { readonly level: string; readonly event: string; readonly fields: LogFields }[];
  /** Outcomes reported to `onPoll`. */
  readonly outcomes: string[];
  /** Event streams so far, the newest last. */
  readonly streams: ScriptedStream[];
  /** Counts of events that states were asked for at. */
  readonly asked: number[];
  /** Measured times as `event table 12`. */
  readonly measured: string[];
  says: Saying;
  /** Replace these to hold or break a step. */
  read: () => Promise<void>;
  build: (of: BuildOf) => Promise<void>;
  /** What a build says besides. */
  built: Partial<BuildReport>;
  /** What the worker says of records of these texts. */
  events: (texts: readonly string[]) => Promise<Partial<EventsReport>>;
  /** Number of the kernel update of the next publication. */
  kernelUpdate: number | null;
  recalled: RecalledState | null;
  /** Says what ZooKeeper says; only if there is one. */
  detect: (detected: DetectedMasters) => void;
  /** Waits until everything that can go on without the clock has gone on. */
  settle(): Promise<void>;
  /** The calls since the last time. */
  newCalls(): string[];
}

export interface ScriptOptions {
  readonly masters?: readonly HostPort[];
  readonly random?: Random;
  readonly events?: SourcePlan['events'];
  readonly usesZookeeper?: boolean;
}

/** A master that leads. */
export const leads: Saying = (asked) => Promise.resolve({ leader: asked });

/** A master that cannot be reached. */
export const isDown: Saying = (asked) =>
  Promise.reject(new DaemonError('master-unreachable', `${formatHostPort(asked)} is down`));

/** A master that hangs until the poll is given up. */
export const hangsUntilAborted: Saying = (_asked, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

const NO_EVENTS: EventsReport = {
  count: 0,
  outcome: 'changed',
  read: null,
  hostNames: null,
  heartbeatSeconds: null,
  invalid: null,
  statusTime: null,
};

/** Streams are left alone unless a test is about them. */
export const NO_STREAMS: SourcePlan['events'] = { follow: 'never', agentsMax: 1_000 };

function scriptedDetector(masters: readonly HostPort[]): Detector {
  return {
    start: () => undefined,
    status: () => ({
      connected: true,
      server: '10.0.0.200:2181',
      servers: masters.map(formatHostPort),
      sessionMs: 10_000,
      lastError: null,
      leader: null,
      since: null,
    }),
    close: () => Promise.resolve(),
  };
}

/** Makes a source that has not started; it is stopped with the test. */
export function scriptSource(
  t: TestContext,
  {
    masters = [master(1)],
    random = () => 0.5,
    events = NO_STREAMS,
    usesZookeeper = false,
  }: ScriptOptions = {},
): ScriptedSource {
  const clock = new RecordingClock();
  const logged: ScriptedSource['logged'] = [];
  const write =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      logged.push({ level, event, fields });
    };
  const log = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  const calls: string[] = [];
  const states = new Map<FetchedState['chunks'], ScriptedState>();
  let count = 0;
  const parts: ClusterSourceParts = {
    ...{ clock, random, log },
    async fetchState(asked, signal) {
      calls.push(`fetch ${formatHostPort(asked)}`);
      const state = await scripted.says(asked, signal);
      const chunks = [new Uint8Array(1)];
      states.set(chunks, state);
      return { chunks, answeredBy: state.answeredBy ?? asked };
    },
    subscribe(asked, signal, handlers) {
      calls.push(`subscribe ${formatHostPort(asked)}`);
      const stream = new ScriptedStream(asked, signal, handlers);
      scripted.streams.push(stream);
      return stream;
    },
    openDetector(onChange) {
      scripted.detect = onChange;
      return usesZookeeper ? scriptedDetector(masters) : null;
    },
    async read(chunks, asked): Promise<ReadReport> {
      calls.push('read');
      scripted.asked.push(asked);
      await scripted.read();
      const { leader, fromLeader = false, agents = 1, hostNames = [] } = states.get(chunks)!;
      return { leader, fromLeader, agents, hostNames, stateBytes: 1, parseMs: 1 };
    },
    async events(records) {
      const texts = records.map((chunks) => Buffer.concat(chunks).toString());
      count += texts.length;
      calls.push(`events ${texts.join(' ')}`);
      return { ...NO_EVENTS, count, ...(await scripted.events(texts)) };
    },
    resolve(names, waitMs): Promise<HostTexts> {
      if (names.length > 0) calls.push(`resolve ${names.join()} ${waitMs}`);
      return Promise.resolve(new Map());
    },
    async build(of) {
      calls.push(`build ${of}`);
      await scripted.build(of);
      return { ...ANY_BUILD, ...scripted.built };
    },
    publish(read) {
      calls.push(`publish ${formatHostPort(read.leader)}`);
      return scripted.kernelUpdate;
    },
    recall: () => Promise.resolve(scripted.recalled),
    onConfirmed: () => undefined,
    onPoll: (result) => scripted.outcomes.push(result),
    observePropagation: (...measured) => scripted.measured.push(measured.join(' ')),
  };
  const scripted: ScriptedSource = {
    source: new ClusterSource(parts, { masters, intervalMs: INTERVAL_MS, events }),
    clock,
    calls,
    logged,
    outcomes: [],
    streams: [],
    asked: [],
    measured: [],
    says: leads,
    read: () => Promise.resolve(),
    build: () => Promise.resolve(),
    built: {},
    events: () => Promise.resolve({}),
    kernelUpdate: null,
    recalled: null,
    detect: () => undefined,
    // Everything in this play is made of promises, which are all done before an immediate runs, but
    // for events, which wait for one themselves.
    async settle() {
      for (let turn = 0; turn < 3; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    newCalls: () => calls.splice(0),
  };
  t.after(() => scripted.source.stop());
  return scripted;
}

/** A step that waits until it is released. */
export function gate(): { readonly pass: () => Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { pass: () => opened, open };
}
