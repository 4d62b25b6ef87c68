import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { projectPath } from './project.ts';
import { recordedStream } from './recorded-stream.ts';

/** What a master answered while its event stream was recorded. */
export interface RecordedState {
  /** Such as `04-killed`. */
  readonly name: string;
  /** How many records of the stream there were by then: at least and at most. */
  readonly atLeast: number;
  readonly atMost: number;
  /** Body of `GET /master/state`. */
  readonly state: string;
  /** Body of the operator API's GET_STATE; null: it was not asked. */
  readonly getState: string | null;
}

/** An event stream with the states that were recorded beside it. */
export interface RecordedCluster {
  readonly records: readonly string[];
  readonly states: readonly RecordedState[];
}

interface FixtureLine {
  readonly step: string;
  readonly records: number;
  readonly state: unknown;
  readonly getState: unknown;
}

/** 158 s of a cluster of two agents (Mesos 1.12) in which everything happens once; bodies cut down. */
export function recordedCluster(): RecordedCluster {
  const path = projectPath('test/fixtures/mesos-1.12-recorded-states.jsonl.gz');
  const lines = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split('\n');
  const states = lines.map((text): RecordedState => {
    const { step, records, state, getState } = JSON.parse(text) as FixtureLine;
    return {
      name: step,
      atLeast: records,
      atMost: records,
      state: JSON.stringify(state),
      getState: JSON.stringify(getState),
    };
  });
  return { records: recordedStream('event-stream').records, states };
}

/** A leader that was killed: its stream, and what it said shortly before. */
export function recordedOfKilledLeader(): RecordedCluster {
  const { records } = recordedStream('event-stream-cut');
  const path = projectPath('test/fixtures/trust/mesos-1.12-leader-state.json');
  const state = readFileSync(path, 'utf8');
  const all = records.length;
  return {
    records,
    states: [{ name: 'leader-killed', atLeast: 1, atMost: all, state, getState: null }],
  };
}

/**
 * A folder with `subscribe-json.events.jsonl` (lines `{t_ms, event}`), `subscribe-json.meta.json` with
 * its `t0_epoch_ms`, and in `states` files `NAME.master-state.body` with their `.response.txt`, whose
 * `Date` tells the second; perhaps `NAME.api-v1-GET_STATE.body`. `scenario.jsonl` has lines with the
 * `epoch_ms` at which something was done: a state was asked for before the next of them.
 */
export function recordedIn(folder: string): RecordedCluster {
  const read = (...path: readonly string[]): string => readFileSync(join(folder, ...path), 'utf8');
  const lines = <T>(name: string): T[] =>
    existsSync(join(folder, name))
      ? read(name)
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as T)
      : [];
  const { t0_epoch_ms: start } = JSON.parse(read('subscribe-json.meta.json')) as {
    readonly t0_epoch_ms: number;
  };
  const events = lines<{ t_ms: number; event: unknown }>('subscribe-json.events.jsonl');
  const steps = lines<{ epoch_ms: number }>('scenario.jsonl').map(({ epoch_ms: at }) => at);
  const until = (ms: number): number => events.filter(({ t_ms: at }) => start + at <= ms).length;
  const ending = '.master-state.body';
  const names = readdirSync(join(folder, 'states')).filter((name) => name.endsWith(ending));
  const states = names.sort().map((file): RecordedState => {
    const name = file.slice(0, -ending.length);
    const date = /^date:(.*)$/im.exec(read('states', `${name}.master-state.response.txt`))?.[1];
    const second = Date.parse(date ?? '');
    const end = Math.min(second + 999, ...steps.filter((step) => step >= second));
    const getState = `${name}.api-v1-GET_STATE.body`;
    return {
      name,
      atLeast: until(second),
      atMost: until(end),
      state: read('states', file),
      getState: existsSync(join(folder, 'states', getState)) ? read('states', getState) : null,
    };
  });
  return { records: events.map(({ event }) => JSON.stringify(event)), states };
}
