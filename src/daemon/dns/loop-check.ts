import type { Random } from '../../core/base/random.ts';
import { formatUpstream, formatUpstreamIdentity } from '../../core/base/upstream.ts';
import type { Upstream } from '../../core/base/upstream.ts';
import type { ForwardZone } from '../../core/config/config.ts';
import { createLoopProbe, loopProbeKey } from '../../core/forward/loop-probe.ts';
import { buildUpstreamQuery } from '../../core/forward/upstream-query.ts';
import type { Clock, Log } from '../../core/ports.ts';

/** A loop comes with a change elsewhere, such as DHCP or a resolver's new configuration. */
const PROBE_INTERVAL_MS = 10 * 60_000;
/** How long a mended loop keeps an upstream out at most. */
const LOOPING_INTERVAL_MS = 60_000;
/** Probes sent at once: many zones must not make a burst of sockets. */
const PROBES_AT_ONCE = 8;

const NO_ZONES: readonly ForwardZone[] = [];

export interface LoopCheckParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Not guessable: from `node:crypto`. */
  readonly random: Random;
  /** One query to one upstream; settles when it answered or the time is up. */
  ask(query: Uint8Array, upstream: Upstream): Promise<unknown>;
}

/** One upstream, in one zone ('' for names outside all zones). */
interface Target {
  readonly upstream: Upstream;
  readonly zone: string;
  /** That of `formatUpstream`, and the zone if there is one. */
  readonly label: string;
  looping: boolean;
  /** `loopProbeKey` of the last probe. */
  probe: string | null;
  /** The last probe came to us. */
  returned: boolean;
}

/**
 * Finds upstreams that ask us: each gets a probe, and if that comes in as a question, the upstream is
 * not used until a later probe stays away. Loops through several resolvers are found as well; those
 * that do not lead through us are not ours to find.
 */
export class LoopCheck {
  readonly #parts: LoopCheckParts;
  /** As given last. */
  #upstreams: readonly Upstream[] = [];
  #zones: readonly ForwardZone[] = NO_ZONES;
  #targets = new Map<string, Target>();
  readonly #byProbe = new Map<string, Target>();
  readonly #waiting: Target[] = [];
  readonly #probing = new Set<Target>();
  #cancelRound = (): void => undefined;
  #cancelLoopingRound = (): void => undefined;
  #closed = false;

  constructor(parts: LoopCheckParts) {
    this.#parts = parts;
  }

  /**
   * The upstreams now in use. If they are others than before, all are probed, and the result is true.
   * Costs nothing with the same lists as before.
   */
  update(upstreams: readonly Upstream[], zones: readonly ForwardZone[] = NO_ZONES): boolean {
    if (this.#closed || (upstreams === this.#upstreams && zones === this.#zones)) return false;
    this.#upstreams = upstreams;
    this.#zones = zones;
    const targets = new Map<string, Target>();
    const add = (upstream: Upstream, zone: string): void => {
      const label = labelOf(upstream, zone);
      const known = this.#targets.get(label);
      const fresh = { upstream, zone, label, looping: false, probe: null, returned: false };
      targets.set(label, known !== undefined && isSame(known.upstream, upstream) ? known : fresh);
    };
    for (const upstream of upstreams) add(upstream, '');
    for (const { zone, upstreams: own } of zones) for (const upstream of own) add(upstream, zone);
    const isUnchanged =
      targets.size === this.#targets.size &&
      [...targets].every(([label, target]) => this.#targets.get(label) === target);
    if (isUnchanged) return false;
    for (const [label, target] of this.#targets) {
      if (targets.get(label) === target || target.probe === null) continue;
      this.#byProbe.delete(target.probe);
    }
    this.#targets = targets;
    this.#probeAll();
    this.#armLoopingRound();
    return true;
  }

  /**
   * A question came in that is about to be forwarded, lower-case wire name. True if it is a probe of
   * ours, to be refused: whoever asks has it from us.
   */
  seen(qname: Uint8Array): boolean {
    const key = loopProbeKey(qname);
    const target = key === null ? undefined : this.#byProbe.get(key);
    if (target === undefined) return false;
    target.returned = true;
    if (target.looping) return true;
    target.looping = true;
    this.#parts.log.error('upstream-loop', {
      to: target.label,
      advice:
        'this resolver sends our questions back to us and is not used; give it other upstreams than this node, or take it out of forward.upstreams or resolv.conf',
    });
    this.#armLoopingRound();
    return true;
  }

  /** Those that do not ask us, as far as we know. `zone` as in `update`. */
  usable(upstreams: readonly Upstream[], zone = ''): readonly Upstream[] {
    const isLooping = (upstream: Upstream): boolean =>
      this.#targets.get(labelOf(upstream, zone))?.looping ?? false;
    return upstreams.some(isLooping)
      ? upstreams.filter((upstream) => !isLooping(upstream))
      : upstreams;
  }

  /** Those that are not used: `address:port`, for those of a zone with ` for ` and the zone. */
  looping(): string[] {
    return [...this.#targets.values()].filter(({ looping }) => looping).map(({ label }) => label);
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#cancelRound();
    this.#cancelLoopingRound();
  }

  #probeAll(): void {
    this.#cancelRound();
    this.#cancelRound = this.#parts.clock.after(PROBE_INTERVAL_MS, () => this.#probeAll());
    for (const target of this.#targets.values()) this.#enqueue(target);
  }

  #armLoopingRound(): void {
    this.#cancelLoopingRound();
    const looping = [...this.#targets.values()].filter((target) => target.looping);
    if (looping.length === 0) return;
    this.#cancelLoopingRound = this.#parts.clock.after(LOOPING_INTERVAL_MS, () => {
      for (const target of looping) this.#enqueue(target);
      this.#armLoopingRound();
    });
  }

  #enqueue(target: Target): void {
    if (this.#probing.has(target) || this.#waiting.includes(target)) return;
    this.#waiting.push(target);
    this.#probeNext();
  }

  #probeNext(): void {
    while (this.#probing.size < PROBES_AT_ONCE) {
      const target = this.#waiting.shift();
      if (target === undefined) return;
      if (this.#targets.get(target.label) !== target) continue;
      this.#probing.add(target);
      void this.#probe(target).then(() => {
        this.#probing.delete(target);
        this.#probeNext();
      });
    }
  }

  async #probe(target: Target): Promise<void> {
    const question = createLoopProbe(target.zone, this.#parts.random);
    if (question === null) return;
    const key = loopProbeKey(question.qname)!;
    // The probe before may still be on its way somewhere; this one decides.
    if (target.probe !== null) this.#byProbe.delete(target.probe);
    target.probe = key;
    target.returned = false;
    this.#byProbe.set(key, target);
    // Whether it answers is a matter of its health.
    await this.#parts.ask(buildUpstreamQuery(question), target.upstream).catch(() => undefined);
    this.#conclude(target);
  }

  /** A probe has been answered, or nobody will answer it. */
  #conclude(target: Target): void {
    if (this.#closed || target.returned || !target.looping) return;
    target.looping = false;
    this.#parts.log.info('upstream-loop-ended', { to: target.label });
    this.#armLoopingRound();
  }
}

/** Over TLS the same address with another name is another server. */
function isSame(one: Upstream, other: Upstream): boolean {
  return formatUpstreamIdentity(one) === formatUpstreamIdentity(other);
}

function labelOf(upstream: Upstream, zone: string): string {
  const to = formatUpstream(upstream);
  return zone === '' ? to : `${to} for ${zone}`;
}
