import { parentPort, workerData } from 'node:worker_threads';
import { HotReplies } from '../../../src/core/forward/hot-replies.ts';
import { type Asked, flagsOf, queryFor, readVersion } from './hot-reply.ts';

/** What a reading thread is given. */
export interface ReaderTask {
  readonly replies: SharedArrayBuffer;
  readonly questions: readonly Asked[];
  /** Words: 1 when it is to end; times it saw a newer reply than before; 1 when it has ended. */
  readonly control: SharedArrayBuffer;
}

/** What it found, at its end. */
export interface ReaderReport {
  readonly found: number;
  /** The first thing wrong, or null. */
  readonly fault: string | null;
}

function read({ replies, questions, control }: ReaderTask): ReaderReport {
  const hot = new HotReplies(replies);
  const state = new Int32Array(control);
  const asked = questions.map((question) => ({ question, query: queryFor(question), last: -1 }));
  let found = 0;
  while (Atomics.load(state, 0) === 0) {
    for (const one of asked) {
      const at = hot.find(one.query, flagsOf(one.question));
      if (at === 0) {
        if (one.last >= 0) return { found, fault: `${one.question.name} is gone` };
        continue;
      }
      try {
        const version = readVersion(hot.words, at, one.question);
        if (version < one.last) return { found, fault: `${version} after ${one.last}` };
        if (version > one.last) Atomics.add(state, 1, 1);
        one.last = version;
      } catch (error) {
        return { found, fault: String(error) };
      }
      found++;
    }
  }
  return { found, fault: null };
}

const task = workerData as ReaderTask;
parentPort?.postMessage(read(task));
Atomics.store(new Int32Array(task.control), 2, 1);
