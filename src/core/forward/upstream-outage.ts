/**
 * Questions that must end in silence, one after the other, before the upstreams of a zone count as
 * out. Names whose own servers are dead look the same, and a program that asks for many of them
 * makes twenty in a row between two answers to others: so there must have been no answer for
 * LONG_SILENCE_MS either.
 */
const SILENT_MAX = 20;
/**
 * While they are out, a question goes to them so often: ten a second find out within a tenth of a
 * second that they are back, and are no load for anybody. All other clients hear at once that there
 * is no answer, in place of after the deadline.
 */
const PROBE_INTERVAL_MS = 100;
/** On a node that asks anything at all, upstreams that work answer something in that time. */
const LONG_SILENCE_MS = 2_000;

interface Silence {
  /** Questions without any answer since the last one with. */
  questions: number;
  isOut: boolean;
  /** When the first of them ended, monotonic milliseconds. */
  since: number;
  nextProbeAt: number;
}

/**
 * Keeps a storm of different questions away from upstreams that answer none: a failure remembered
 * for each question does not help against those. Upstreams are told apart by their forward zone.
 */
export class UpstreamOutages {
  readonly #silences = new Map<string, Silence>();
  /** When the upstreams of a zone answered last. */
  readonly #answeredAt = new Map<string, number>();

  /** Whether these upstreams answer nothing at present. */
  isOut(zone: string): boolean {
    return this.#silences.get(zone)?.isOut ?? false;
  }

  /** How long they have been silent. */
  silentMs(zone: string, nowMs: number): number {
    const silence = this.#silences.get(zone);
    return silence === undefined ? 0 : nowMs - silence.since;
  }

  /** Whether a question may go to them now; while they are out, few may. */
  admits(zone: string, nowMs: number): boolean {
    const silence = this.#silences.get(zone);
    if (!silence?.isOut) return true;
    if (nowMs < silence.nextProbeAt) return false;
    silence.nextProbeAt = nowMs + PROBE_INTERVAL_MS;
    return true;
  }

  /** None of them answered a question; true if they are out from now on. */
  silent(zone: string, nowMs: number): boolean {
    const first = { questions: 0, isOut: false, since: nowMs, nextProbeAt: nowMs };
    const silence = this.#silences.get(zone) ?? first;
    silence.questions++;
    this.#silences.set(zone, silence);
    const answeredAt = this.#answeredAt.get(zone) ?? Number.NEGATIVE_INFINITY;
    if (silence.isOut || silence.questions < SILENT_MAX) return false;
    silence.isOut = nowMs - answeredAt >= LONG_SILENCE_MS;
    return silence.isOut;
  }

  /**
   * One of them answered, whatever it said. True if they were silent for so long before that not
   * the questions were to blame: what failed in that time may be asked again.
   */
  answered(zone: string, nowMs: number): boolean {
    const silence = this.#silences.get(zone);
    this.#answeredAt.set(zone, nowMs);
    if (silence === undefined) return false;
    this.#silences.delete(zone);
    return silence.isOut || nowMs - silence.since >= LONG_SILENCE_MS;
  }

  /** Other upstreams may stand there now. */
  clear(): void {
    this.#silences.clear();
    this.#answeredAt.clear();
  }
}
