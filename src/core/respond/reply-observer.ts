import type { QueryRecord } from '../ports.ts';
import type { DnsCounters } from './counters.ts';
import { queryRecord } from './query-record.ts';
import { CHOSEN, QuerySample } from './query-sample.ts';
import type { Reply } from './responder.ts';
import { type NameBuffers, NameTally } from './top-names.ts';

/** Memory of one thread that the main thread reads; plain data. */
export interface ReplyMemory {
  /** Of `DnsCounters`. */
  readonly counters: SharedArrayBuffer;
  readonly names: NameBuffers;
  /** Of `SampleControl`; one for all threads. */
  readonly sample: SharedArrayBuffer;
}

/**
 * Takes note of the replies of one thread: for the list of names, and those for the query log, which
 * go to `report` with the bits of CHOSEN.
 */
export function createReplyObserver(
  memory: ReplyMemory,
  counters: DnsCounters,
  report: (record: QueryRecord, reason: number) => void,
): (reply: Reply) => void {
  const names = new NameTally(memory.names);
  const sample = new QuerySample(memory.sample, counters);
  return (reply) => {
    const { query, rcode } = reply.answerer;
    if (query.questionEnd === 0) return;
    names.observe(query, rcode);
    const reason = sample.choose(query.hash, reply.answeredMs);
    if (reason !== CHOSEN.NO) report(queryRecord(query, { ...reply, rcode }), reason);
  };
}
