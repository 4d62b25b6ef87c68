import type { TestContext } from 'node:test';
import { DaemonError } from '../../src/core/base/daemon-error.ts';
import { formatHostPort } from '../../src/core/base/host-port.ts';
import type { Random } from '../../src/core/base/random.ts';
import type { HostPort } from '../../src/core/config/config.ts';
import type { LogFields } from '../../src/core/ports.ts';
import type { BuildReport, HostTexts, ReadReport } from '../../src/daemon/generation-protocol.ts';
import { type FetchedState, Poller, type PollerParts } from '../../src/daemon/poller.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { NO_VIPS } from '../support/build-report.ts';

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

/** A poller whose parts write down what they are told to do. */
export interface ScriptedPoller {
  readonly poller: Poller;
  readonly clock: RecordingClock;
  /** Such as `fetch 10.0.0.1:5050`, `read`, `resolve a,b 1000`, `build read`, `publish 10.0.0.1:5050`. */
  readonly calls: string[];
  readonly logged: { readonly level: string; readonly event: string; readonly fields: LogFields }[];
  /** Outcomes reported to `onPoll`. */
  readonly outcomes: string[];
  says: Saying;
  /** Replace these to hold or break a step. */
  read: () => Promise<void>;
  build: (of: 'read' | 'built') => Promise<void>;
  /** Waits until everything that can go on without the clock has gone on. */
  settle(): Promise<void>;
  /** The calls since the last time. */
  newCalls(): string[];
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

const BUILT: BuildReport = {
  table: new SharedArrayBuffer(0),
  changed: true,
  buildMs: 1,
  frameworks: 1,
  agents: 1,
  tasks: 1,
  rejections: 0,
  vips: NO_VIPS,
  kernelUpdate: null,
  firstRejections: [],
};

/** Makes a poller that has not started; it is stopped with the test. */
export function scriptPoller(
  t: TestContext,
  masters: readonly HostPort[] = [master(1)],
  random: Random = () => 0.5,
): ScriptedPoller {
  const clock = new RecordingClock();
  const logged: ScriptedPoller['logged'] = [];
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
  const parts: PollerParts = {
    async fetchState(asked, signal) {
      calls.push(`fetch ${formatHostPort(asked)}`);
      const state = await scripted.says(asked, signal);
      const chunks = [new Uint8Array(1)];
      states.set(chunks, state);
      return { chunks, answeredBy: state.answeredBy ?? asked };
    },
    async read(chunks): Promise<ReadReport> {
      calls.push('read');
      await scripted.read();
      const { leader, fromLeader = false, agents = 1, hostNames = [] } = states.get(chunks)!;
      return { leader, fromLeader, agents, hostNames, stateBytes: 1, parseMs: 1 };
    },
    resolve(names, waitMs): Promise<HostTexts> {
      if (names.length > 0) calls.push(`resolve ${names.join()} ${waitMs}`);
      return Promise.resolve(new Map());
    },
    async build(of) {
      calls.push(`build ${of}`);
      await scripted.build(of);
      return BUILT;
    },
    publish: (read) => calls.push(`publish ${formatHostPort(read.leader)}`),
    onPoll: (result) => scripted.outcomes.push(result),
  };
  const scripted: ScriptedPoller = {
    poller: new Poller(parts, { masters, intervalMs: INTERVAL_MS }, { clock, log, random }),
    clock,
    calls,
    logged,
    outcomes: [],
    says: leads,
    read: () => Promise.resolve(),
    build: () => Promise.resolve(),
    // Everything in this play is made of promises, which are all done before an immediate runs.
    settle: () => new Promise((resolve) => setImmediate(resolve)),
    newCalls: () => calls.splice(0),
  };
  t.after(() => scripted.poller.stop());
  return scripted;
}

/** A step that waits until it is released. */
export function gate(): { readonly pass: () => Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { pass: () => opened, open };
}
