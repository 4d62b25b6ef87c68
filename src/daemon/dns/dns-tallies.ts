import type { DnsMetricsSource } from '../../adapters/metrics/dns-metrics.ts';
import { type AnswerTable, ZONE } from '../../core/dns/answer-table.ts';
import { formatWireName, parseWireName } from '../../core/dns/name.ts';
import type { Clock, Log, QueryRecord, TopQueries } from '../../core/ports.ts';
import { DnsCounters } from '../../core/respond/counters.ts';
import { CHOSEN, SampleControl } from '../../core/respond/query-sample.ts';
import { QueryWatch } from '../../core/respond/query-watch.ts';
import { createReplyObserver, type ReplyMemory } from '../../core/respond/reply-observer.ts';
import type { Reply } from '../../core/respond/responder.ts';
import { TopNames } from '../../core/respond/top-names.ts';
import { ZoneSlots } from '../../core/respond/zone-slots.ts';
import { nodeName } from '../../core/views/table-records.ts';

/** The counts of top names are halved every minute, whether somebody reads them or not. */
const AGE_MS = 60_000;

/** What all threads have answered: counters, top names and the query log. */
export class DnsTallies implements DnsMetricsSource {
  /** Of the main thread. */
  readonly counters: DnsCounters;
  /** For the main thread's responder. */
  readonly observe: (reply: Reply) => void;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #blocks: DnsCounters[] = [];
  readonly #slots = new ZoneSlots();
  readonly #names: TopNames;
  readonly #sampleBuffer = SampleControl.create();
  readonly #sample = new SampleControl(this.#sampleBuffer);
  #watch: QueryWatch | null = null;
  #cancelAge: () => void = () => undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#names = new TopNames(clock.monotonic());
    const memory = this.addThread();
    this.counters = this.#blocks[0]!;
    this.observe = createReplyObserver(memory, this.counters, (...report) => this.take(...report));
    this.#scheduleAge();
  }

  /** Memory for one more thread. */
  addThread(): ReplyMemory {
    const counters = DnsCounters.create();
    this.#blocks.push(new DnsCounters(counters));
    return { counters, names: this.#names.addThread(), sample: this.#sampleBuffer };
  }

  blocks(): readonly DnsCounters[] {
    return this.#blocks;
  }

  zoneName(slot: number): string {
    return this.#slots.nameOf(slot);
  }

  /** Counter slots of the zones of a table, in their order. */
  slotsOf(table: AnswerTable): Uint8Array {
    return this.#slots.slotsOf(zoneNames(table));
  }

  /** Share of queries that are logged, 0 to 1. */
  sample(share: number): void {
    this.#sample.sample(share);
  }

  /** A query that was chosen; `reason` in bits of CHOSEN. */
  take(record: QueryRecord, reason: number): void {
    if ((reason & CHOSEN.SAMPLED) !== 0) this.#log.info('query', { ...record });
    if ((reason & CHOSEN.ASKED) !== 0) this.#watch?.offer(record);
  }

  topQueries(n: number): TopQueries {
    return this.#names.read(n, this.#clock.monotonic());
  }

  /** Queries of a name for so long; null while somebody else reads. */
  logQueries(name: string, seconds: number): AsyncIterable<QueryRecord> | null {
    const wire = parseWireName(name);
    if (this.#watch !== null || wire === null) return null;
    const watch = new QueryWatch(formatWireName(wire), () => {
      cancel();
      this.#watch = null;
      this.#sample.ask(null);
    });
    const cancel = this.#clock.after(seconds * 1000, () => watch.end());
    this.#watch = watch;
    this.#sample.ask(wire);
    return watch;
  }

  close(): void {
    this.#cancelAge();
    this.#watch?.end();
  }

  #scheduleAge(): void {
    this.#cancelAge = this.#clock.after(AGE_MS, () => {
      this.#names.age(this.#clock.monotonic());
      this.#scheduleAge();
    });
  }
}

/** Zones of a table as owner names. */
export function zoneNames(table: AnswerTable): string[] {
  return Array.from({ length: table.zoneCount }, (_, i) =>
    nodeName(table, table.words[table.zoneAt(i) + ZONE.APEX_NODE]!),
  );
}
