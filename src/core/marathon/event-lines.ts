/** Why a stream of events cannot be read on. */
export type EventLinesError = 'line-too-long';

/** An event of a deployment that lists its plan in full, which old versions send, stays below. */
const LINE_BYTES_MAX = 1_048_576;

/** Types are shorter; of a longer line nothing more is kept. */
const KEPT_BYTES_MAX = 256;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const FIELD = 'event:';

/**
 * Reads the types of events from a stream of server-sent events (WHATWG HTML §9.2.6): lines that end
 * with LF, CR or both, of which those beginning `event:` name the event that the next empty line
 * ends. Data are counted and not kept: events of Marathon only say that something has changed.
 */
export class EventLineDecoder {
  readonly #decoder = new TextDecoder();
  /** Beginning of the line that is being read, and its length so far. */
  readonly #line: Uint8Array = new Uint8Array(KEPT_BYTES_MAX);
  #length = 0;
  #isAfterReturn = false;
  /** Type of the event that is being read; null: no field of one has come. */
  #type: string | null = null;
  #error: EventLinesError | null = null;

  /**
   * Takes the next piece of the stream and calls `onEvent` with the type of each event that it
   * completes, `message` if it has none. Returns what is wrong, then and from then on, or null.
   */
  push(chunk: Uint8Array, onEvent: (type: string) => void): EventLinesError | null {
    for (let at = 0; at < chunk.length && this.#error === null;) {
      const octet = chunk[at];
      if (octet === NEWLINE || octet === RETURN) {
        at++;
        // The second half of CR LF.
        const isSecond = octet === NEWLINE && this.#isAfterReturn;
        this.#isAfterReturn = octet === RETURN;
        if (!isSecond) this.#endLine(onEvent);
      } else {
        this.#isAfterReturn = false;
        at = this.#addToLine(chunk, at);
      }
    }
    return this.#error;
  }

  /** Adds octets up to the end of the line or piece; returns where that is. */
  #addToLine(chunk: Uint8Array, start: number): number {
    let end = start;
    while (end < chunk.length && chunk[end] !== NEWLINE && chunk[end] !== RETURN) end++;
    if (this.#length < KEPT_BYTES_MAX) {
      const room = KEPT_BYTES_MAX - this.#length;
      this.#line.set(chunk.subarray(start, Math.min(end, start + room)), this.#length);
    }
    this.#length += end - start;
    if (this.#length > LINE_BYTES_MAX) this.#error = 'line-too-long';
    return end;
  }

  #endLine(onEvent: (type: string) => void): void {
    const length = this.#length;
    this.#length = 0;
    if (length === 0) {
      const type = this.#type;
      this.#type = null;
      if (type !== null) onEvent(type === '' ? 'message' : type);
      return;
    }
    const kept = this.#line.subarray(0, Math.min(length, KEPT_BYTES_MAX));
    const text = this.#decoder.decode(kept);
    if (text.startsWith(FIELD)) this.#type = text.slice(FIELD.length).trim();
    // A comment is part of no event; it keeps the connection alive.
    else if (!text.startsWith(':')) this.#type ??= '';
  }
}
