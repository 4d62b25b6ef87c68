import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatUpstream } from '../../core/base/upstream.ts';
import type { Upstream } from '../../core/base/upstream.ts';
import { SILENCE_MS } from '../../core/forward/upstream-health.ts';
import type { UpstreamHealth } from '../../core/forward/upstream-health.ts';
import type { AskOrder } from '../../core/forward/upstream-order.ts';
import type { Clock } from '../../core/ports.ts';
import { Asking } from './upstream-asker.ts';
import type { UpstreamWord } from './upstream-asker.ts';

/** Upstreams that are named in the text of a failure, which goes to clients (RFC 8914). */
const NAMED_MAX = 4;

export interface RaceParts {
  readonly clock: Clock;
  readonly health: UpstreamHealth;
  /** So many exchanges are under way that only what is needed may be added. */
  isFull(): boolean;
  /** Asks one upstream; never rejects. */
  ask(query: Uint8Array, upstream: Upstream, asking: Asking): Promise<UpstreamWord>;
}

interface Runner {
  readonly upstream: Upstream;
  /** One that counts as dead is not waited for while there is a reply of another. */
  readonly isAlive: boolean;
  readonly isLook: boolean;
  readonly asking: Asking;
  readonly startedAt: number;
}

/**
 * One question on its way to several upstreams. The first answer wins and ends all others but a
 * look, which is heard to its end; what the losers have told by then counts for their health.
 */
export class UpstreamRace {
  readonly #parts: RaceParts;
  readonly #query: Uint8Array;
  readonly #order: AskOrder;
  readonly #running = new Set<Runner>();
  readonly #failures: { readonly upstream: Upstream; readonly reason: string }[] = [];
  /** Gave replies that may be the fault of the name. */
  readonly #excused: { readonly upstream: Upstream; readonly fault: string }[] = [];
  #best: { readonly reply: Uint8Array; readonly worth: number } | null = null;
  #next = 0;
  #state: 'running' | 'ending' | 'answered' | 'failed' = 'running';
  #cancelDeadline = (): void => undefined;
  #cancelSilence = (): void => undefined;
  #resolve: (reply: Uint8Array) => void = () => undefined;
  #reject: (error: DaemonError) => void = () => undefined;

  constructor(parts: RaceParts, query: Uint8Array, order: AskOrder) {
    this.#parts = parts;
    this.#query = query;
    this.#order = order;
  }

  /** Called once. Rejects with `upstream-timeout` or `upstream-failed`. */
  run(deadlineMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.#order.upstreams.length === 0) {
        this.#fail(new DaemonError('upstream-failed', 'there is no upstream to ask'));
        return;
      }
      this.#cancelDeadline = this.#parts.clock.after(deadlineMs, () => this.#end());
      this.#startNext();
      const { look } = this.#order;
      if (look === null) return;
      const { clock, health } = this.#parts;
      if (this.#parts.isFull()) health.endLook(look, clock.monotonic());
      else this.#start(look, true, !health.isDead(look));
    });
  }

  /** Ends all exchanges: the forwarder is closed, or nobody wants the reply; `why` says which. */
  close(why: string): void {
    this.#fail(new DaemonError('upstream-failed', why));
  }

  #startNext(): void {
    const { upstreams, living, headStartMs } = this.#order;
    this.#start(upstreams[this.#next]!, false, this.#next < living);
    this.#next++;
    this.#cancelSilence();
    if (this.#next >= living) return;
    const waitMs = this.#next === 1 ? headStartMs : SILENCE_MS;
    if (waitMs === 0) this.#startOnSilence();
    else this.#awaitSilence(waitMs);
  }

  #awaitSilence(waitMs: number): void {
    this.#cancelSilence = this.#parts.clock.after(waitMs, () => this.#startOnSilence());
  }

  #startOnSilence(): void {
    if (this.#parts.isFull()) this.#awaitSilence(SILENCE_MS);
    else this.#startNext();
  }

  #start(upstream: Upstream, isLook: boolean, isAlive: boolean): void {
    const asking = new Asking();
    const startedAt = this.#parts.clock.monotonic();
    const runner = { upstream, isAlive, isLook, asking, startedAt };
    this.#running.add(runner);
    void this.#parts
      .ask(this.#query, upstream, asking)
      .then((word) => this.#finished(runner, word));
  }

  #finished(runner: Runner, word: UpstreamWord): void {
    const { clock, health } = this.#parts;
    const { upstream, isLook } = runner;
    this.#running.delete(runner);
    this.#learn(runner, word);
    if (isLook) health.endLook(upstream, clock.monotonic());
    if (this.#isOver) return;
    if (word.kind === 'reply' && word.verdict.fault === null) {
      this.#answer(word.reply);
      return;
    }
    this.#keep(upstream, word);
    this.#goOn();
  }

  get #isOver(): boolean {
    return this.#state === 'answered' || this.#state === 'failed';
  }

  /** What the word of one says about its health. */
  #learn({ upstream, asking }: Runner, word: UpstreamWord): void {
    if (asking.cancellation.cancelled) return;
    const { clock, health } = this.#parts;
    const now = clock.monotonic();
    if (word.kind === 'failure') {
      health.failed(upstream, word.failure, now);
    } else if (word.verdict.fault === null) {
      health.answered(upstream, asking.rttMs, now);
    } else if (!word.verdict.excusable || this.#state === 'answered') {
      health.failed(upstream, word.verdict.fault, now);
    } else if (this.#state === 'failed') {
      health.answered(upstream, null, now);
    } else {
      this.#excused.push({ upstream, fault: word.verdict.fault });
    }
  }

  /** Ends all but looks. Their health is told at once, so that the next question knows. */
  #cancelLosers(): void {
    const { clock, health } = this.#parts;
    const now = clock.monotonic();
    for (const { asking, isLook, startedAt, upstream } of this.#running) {
      if (isLook || asking.cancellation.cancelled) continue;
      if (asking.heard) health.answered(upstream, asking.rttMs, now);
      else health.unanswered(upstream, now - startedAt, now);
      asking.cancellation.cancel();
    }
  }

  /** Takes down a word that is no answer. */
  #keep(upstream: Upstream, word: UpstreamWord): void {
    if (word.kind === 'failure') {
      const detail = word.detail === '' ? '' : ` (${word.detail})`;
      // Cancelled before the end of the race: the time was up.
      const reason = word.failure === 'cancelled' ? 'timeout' : word.failure + detail;
      this.#failures.push({ upstream, reason });
      return;
    }
    const { fault, worth } = word.verdict;
    if (worth > (this.#best?.worth ?? 0)) this.#best = { reply: word.reply, worth };
    this.#failures.push({ upstream, reason: fault ?? '' });
  }

  /** One of them is through without an answer: asks the next one, waits for others, or gives up. */
  #goOn(): void {
    const { upstreams, living } = this.#order;
    const running = [...this.#running];
    if (this.#state === 'ending') {
      if (running.every(({ isLook }) => isLook)) this.#giveUp();
    } else if (running.some(({ isAlive, isLook }) => isAlive && !isLook)) {
      // Silence starts the next one, if there is one alive.
    } else if (this.#next < living) {
      this.#startNext();
    } else if (running.some(({ isAlive }) => isAlive)) {
      // Only a look is left, which may well bring the answer.
    } else if (this.#best !== null) {
      this.#giveUp();
    } else if (this.#next < upstreams.length) {
      this.#startNext();
    } else if (running.length === 0) {
      this.#giveUp();
    }
  }

  /** The time is up. */
  #end(): void {
    this.#state = 'ending';
    this.#cancelSilence();
    // They may have a truncated reply in hand, and say so.
    this.#cancelLosers();
    this.#goOn();
  }

  #answer(reply: Uint8Array): void {
    const { clock, health } = this.#parts;
    this.#settle('answered');
    const now = clock.monotonic();
    for (const { upstream, fault } of this.#excused) health.failed(upstream, fault, now);
    this.#resolve(reply);
  }

  #giveUp(): void {
    if (this.#best === null) {
      this.#fail(failureOf(this.#failures));
      return;
    }
    const { clock, health } = this.#parts;
    this.#settle('failed');
    const now = clock.monotonic();
    for (const { upstream } of this.#excused) health.answered(upstream, null, now);
    this.#resolve(this.#best.reply);
  }

  #fail(error: DaemonError): void {
    this.#settle('failed');
    this.#reject(error);
  }

  #settle(state: 'answered' | 'failed'): void {
    if (!this.#isOver) this.#state = state;
    this.#cancelSilence();
    this.#cancelDeadline();
    this.#cancelLosers();
  }
}

function failureOf(
  failures: readonly { readonly upstream: Upstream; readonly reason: string }[],
): DaemonError {
  const isSilence = failures.every(({ reason }) => reason === 'timeout');
  const named = failures
    .slice(0, NAMED_MAX)
    .map(({ upstream, reason }) => `${formatUpstream(upstream)}: ${reason}`);
  const more = failures.length - named.length;
  if (more > 0) named.push(`${more} more`);
  return new DaemonError(isSilence ? 'upstream-timeout' : 'upstream-failed', named.join('; '));
}
