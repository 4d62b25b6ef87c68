import { formatHostPort } from '../core/base/host-port.ts';
import { AnswerTable, HEADER, type SharedTable } from '../core/dns/answer-table.ts';
import type { Clock, GenerationStatus, Log, VipStatus } from '../core/ports.ts';
import type { BuildReport, ReadReport } from './generation-protocol.ts';

/** Holds what is served now: the one cell that changes, swapped whole. */
export class Publisher {
  readonly #clock: Clock;
  #table: AnswerTable;
  #status: GenerationStatus | null = null;
  #vips: VipStatus | null = null;
  /** Monotonic seconds; 0 before the first state. */
  #staleAt = 0;

  /** `unready` is served until the first generation. */
  constructor(clock: Clock, unready: AnswerTable) {
    this.#clock = clock;
    this.#table = unready;
  }

  /** The table that queries are answered from. */
  get table(): AnswerTable {
    return this.#table;
  }

  /** null before the first generation. */
  get status(): GenerationStatus | null {
    return this.#status;
  }

  /** null before the first generation. */
  get vips(): VipStatus | null {
    return this.#vips;
  }

  /** The served table if it holds a generation, to compare the next one with. */
  get previous(): SharedTable | null {
    return this.#status === null ? null : this.#table.shared;
  }

  publish(read: ReadReport, built: BuildReport): void {
    if (built.changed || this.#status === null) this.#table = AnswerTable.of(built.table);
    this.#table.setStaleAt(this.#staleAt);
    this.#vips = built.vips;
    const now = new Date(this.#clock.now()).toISOString();
    this.#status = {
      serial: this.#table.serial,
      publishedAt: now,
      changedAt: built.changed || this.#status === null ? now : this.#status.changedAt,
      names: this.#table.header(HEADER.NODE_COUNT),
      records: this.#table.header(HEADER.RECORD_COUNT),
      frameworks: built.frameworks,
      agents: built.agents,
      tasks: built.tasks,
      services: built.services,
      rejections: built.rejections,
      stateBytes: read.stateBytes,
      parseMs: Math.round(read.parseMs * 10) / 10,
      buildMs: Math.round(built.buildMs * 10) / 10,
      tableBytes: this.#table.buffer.byteLength,
    };
  }

  /** The master has told its state: what is served is good for so long, then clients are told. */
  confirm(freshMs: number): void {
    this.#staleAt = (this.#clock.monotonic() + freshMs) / 1000;
    if (this.#status !== null) this.#table.setStaleAt(this.#staleAt);
  }

  /** What is published next is served without a master to confirm it: clients are told at once. */
  doubt(): void {
    // The second after the start of the machine is over by now.
    this.#staleAt = 1;
  }

  /** Says what is served from now on. */
  log(log: Log, { leader }: ReadReport, built: BuildReport): void {
    if (this.#status === null) return;
    const { serial, names, tasks, rejections } = this.#status;
    const fields = { serial, names, tasks, rejections, leader: formatHostPort(leader) };
    // One line for every task that starts or ends would be too many.
    if (built.isIncremental) log.debug('generation-published', fields);
    else log.info('generation-published', fields);
    if (rejections > 0) {
      log.debug('rejections', { total: rejections, first: built.firstRejections });
    }
  }

  /** Other zone settings make the served table wrong; until the next build `unready` says so. */
  reset(unready: AnswerTable): void {
    this.#table = unready;
    this.#status = null;
  }
}
