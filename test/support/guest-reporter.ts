import { inspect } from 'node:util';
import type { GuestEvent } from './guest-event.ts';

/** What node:test hands to a reporter, as far as it is used here. */
interface RunnerEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly message?: string;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly duration_ms?: number; readonly error?: Error };
  };
}

/** A failure is read by people: more than this is a dump of something. */
const FAILURE_LENGTH_MAX = 8_000;

/** Reporter of node:test: one JSON line per `GuestEvent`. */
export default async function* guestReporter(
  events: AsyncIterable<RunnerEvent>,
): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    const event = guestEvent(type, data);
    if (event !== null) yield line(event);
  }
  yield line({ kind: 'end' });
}

function line(event: GuestEvent): string {
  return `${JSON.stringify(event)}\n`;
}

function guestEvent(type: string, data: RunnerEvent['data']): GuestEvent | null {
  const name = data.name ?? '';
  if (type === 'test:dequeue') return { kind: 'start', name };
  if (type === 'test:diagnostic') return note(data.message ?? '');
  if (type !== 'test:pass' && type !== 'test:fail') return null;
  const { skip = data.todo, details } = data;
  const durationMs = Math.round(details?.duration_ms ?? 0);
  if (skip !== undefined) return { kind: 'skip', name, durationMs, text: String(skip) };
  if (type === 'test:pass') return { kind: 'pass', name, durationMs };
  const error = details?.error;
  const text = inspect(error?.cause ?? error).slice(0, FAILURE_LENGTH_MAX);
  return { kind: 'fail', name, durationMs, text };
}

/** A message of a test; the runner's own totals are none. */
function note(text: string): GuestEvent | null {
  return /^[a-z_]+ [\d.]+$/.test(text) ? null : { kind: 'note', text };
}
