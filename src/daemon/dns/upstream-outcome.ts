import { DaemonError } from '../../core/base/daemon-error.ts';
import { EDE, RCODE, RCODE_MASK } from '../../core/dns/constants.ts';
import { STORED } from '../../core/dns/stored-reply.ts';
import { packReply, type PackRules } from '../../core/forward/pack-reply.ts';
import type { ForwardQuestion, Resolution } from '../../core/forward/resolution.ts';
import { buildUpstreamQuery } from '../../core/forward/upstream-query.ts';
import type { ResolverParts } from './resolver-parts.ts';

/** How upstreams are asked, and what is kept of their replies. */
export interface AskSettings {
  /** Time a question may take in all. */
  readonly deadlineMs: number;
  readonly rules: PackRules;
}

/** A question without an answer, and why. */
export type FailureResolution = Extract<Resolution, { readonly kind: 'failure' }>;

/** What came of asking upstreams. */
export type Outcome =
  /** NOERROR or NXDOMAIN. */
  | { readonly kind: 'answer'; readonly reply: Uint32Array }
  /** An upstream says that it cannot or will not answer. */
  | { readonly kind: 'refusal'; readonly reply: Uint32Array; readonly text: string }
  | {
      readonly kind: 'failure';
      readonly failure: FailureResolution;
      readonly cause: 'silence' | 'malformed' | 'not-asked' | 'given-up';
    };

/** A failure of this server or of the upstreams. */
export function failed(rcode: number, ede: number, text: string): FailureResolution {
  return { kind: 'failure', rcode, ede, text };
}

const NO_UPSTREAMS: Outcome = {
  kind: 'failure',
  failure: failed(RCODE.REFUSED, EDE.PROHIBITED, 'there is no upstream to ask'),
  cause: 'not-asked',
};
const MALFORMED: Outcome = {
  kind: 'failure',
  failure: failed(RCODE.SERVFAIL, EDE.NETWORK_ERROR, 'the reply of the upstream is malformed'),
  cause: 'malformed',
};
/** Nothing has come of it long after the deadline. */
export const OVERDUE: Outcome = {
  kind: 'failure',
  failure: failed(RCODE.SERVFAIL, EDE.NO_REACHABLE_AUTHORITY, 'no answer before the deadline'),
  cause: 'silence',
};
/** It made room for newer questions after its first upstream had all the time that one gets. */
export const GIVEN_UP: Extract<Outcome, { readonly kind: 'failure' }> = {
  kind: 'failure',
  failure: failed(RCODE.SERVFAIL, EDE.OTHER, 'too many questions wait; newer ones come first'),
  cause: 'given-up',
};
/** A fault of ours. */
export const BROKEN: Outcome = {
  kind: 'failure',
  failure: failed(RCODE.SERVFAIL, EDE.OTHER, 'an error of this server; its log has it'),
  cause: 'not-asked',
};

function notAsked(text: string): Outcome {
  return { kind: 'failure', failure: failed(RCODE.SERVFAIL, EDE.OTHER, text), cause: 'not-asked' };
}

/** Whole seconds of the monotonic clock, in which stored replies count. */
export function wholeSeconds(monotonicMs: number): number {
  return Math.floor(monotonicMs / 1000);
}

/**
 * Asks the upstreams of a question that came at `startedAt`, until `signal` says that nobody wants
 * the answer; rejects for faults of ours alone.
 */
export async function askUpstreams(
  parts: ResolverParts,
  settings: AskSettings,
  question: ForwardQuestion,
  startedAt: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const { clock } = parts;
  const upstreams = await parts.upstreamsOf(question.qname);
  if (upstreams.length === 0) return NO_UPSTREAMS;
  const leftMs = startedAt + settings.deadlineMs - clock.monotonic();
  if (leftMs <= 0) return notAsked('the question waited too long to be asked');
  if (signal.aborted) return GIVEN_UP;
  let message: Uint8Array;
  try {
    message = await parts.ask(buildUpstreamQuery(question), upstreams, leftMs, signal);
  } catch (err) {
    if (!(err instanceof DaemonError)) throw err;
    // Nobody was asked, so nothing is known of the question, nor of the upstreams.
    if (err.code === 'upstream-busy') return notAsked(err.message);
    const isTimeout = err.code === 'upstream-timeout';
    const ede = isTimeout ? EDE.NO_REACHABLE_AUTHORITY : EDE.NETWORK_ERROR;
    const failure = failed(RCODE.SERVFAIL, ede, err.message);
    return { kind: 'failure', failure, cause: 'silence' };
  }
  const reply = packReply(question, message, settings.rules, wholeSeconds(clock.monotonic()));
  if (reply === null) return MALFORMED;
  const rcode = reply[STORED.FLAGS]! & RCODE_MASK;
  if (rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN) return { kind: 'answer', reply };
  return { kind: 'refusal', reply, text: `an upstream answered ${rcodeText(rcode)}` };
}

function rcodeText(rcode: number): string {
  const known = Object.entries(RCODE).find(([, code]) => code === rcode);
  return known === undefined ? `RCODE ${rcode}` : known[0];
}
