/** What a test run inside a kernel tells the host, one JSON line each. */
export type GuestEvent =
  | { readonly kind: 'start'; readonly name: string }
  | { readonly kind: 'pass'; readonly name: string; readonly durationMs: number }
  | {
      readonly kind: 'fail' | 'skip';
      readonly name: string;
      readonly durationMs: number;
      /** The failure, or the reason of the omission. */
      readonly text: string;
    }
  /** A diagnostic message of a test that has ended. */
  | { readonly kind: 'note'; readonly text: string }
  /** All tests of the file have been reported. */
  | { readonly kind: 'end' }
  /** The last line: how the process of the tests ended. */
  | { readonly kind: 'exit'; readonly status: number };

/** Cuts a stream of text into events; a line that is none is an error. */
export class GuestEventReader {
  #rest = '';

  read(text: string): GuestEvent[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.filter((line) => line.trim() !== '').map(readEvent);
  }
}

function readEvent(line: string): GuestEvent {
  try {
    return JSON.parse(line) as GuestEvent;
  } catch {
    throw new Error(`the guest said something else than events: ${line.slice(0, 200)}`);
  }
}
