import { write, writeSync } from 'node:fs';

/**
 * Lines for a file descriptor, written in the background so that a slow reader of the log does not
 * hold up DNS. pino's own destination does that too, but its flush at exit repeats a write that
 * fails for ever: a full disk or a closed pipe would keep the process from ending.
 */
export interface LineWriter {
  /** Takes a line with its newline; never throws and never waits. */
  write(line: string): void;
  /**
   * Writes what waits before it returns, or gives up on it after an error. What the system has
   * been given already is completed in the background, at the latest when the process exits.
   */
  flushSync(): void;
}

/** A reader that stalls costs at most this memory; then lines are lost, and counted. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** How long to leave a reader alone that takes nothing at the moment (EAGAIN). */
const RETRY_MS = 20;

/** Half a second of retries at exit: longer than a healthy reader takes to make room. */
const FLUSH_RETRIES_MAX = 25;

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}

/** Blocks this thread; only for the last lines of a process. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Writes all of `bytes`; gives up after an error, or when nothing is taken for too long. */
function writeAllSync(fd: number, bytes: Buffer): void {
  let rest = bytes;
  let retries = 0;
  while (rest.length > 0 && retries <= FLUSH_RETRIES_MAX) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
      retries = 0;
    } catch (error) {
      if (!isFull(error)) return;
      retries++;
      pause(RETRY_MS);
    }
  }
}

class FileLineWriter implements LineWriter {
  readonly #fd: number;
  readonly #linesLost: (count: number) => string;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #lost = 0;
  /** The system has a write of ours. */
  #writing = false;
  /** What a full reader did not take; tried again when the timer ends. */
  #refused: Buffer | null = null;

  constructor(fd: number, linesLost: (count: number) => string) {
    this.#fd = fd;
    this.#linesLost = linesLost;
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += bytes;
    this.#writeNext();
  }

  flushSync(): void {
    const refused = this.#refused ?? Buffer.alloc(0);
    this.#refused = null;
    writeAllSync(this.#fd, Buffer.concat([refused, this.#take()]));
  }

  /** Everything that waits, as one piece. */
  #take(): Buffer {
    if (this.#lost > 0) {
      this.#waiting.push(this.#linesLost(this.#lost));
      this.#lost = 0;
    }
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingBytes = 0;
    return bytes;
  }

  #writeNext(): void {
    if (this.#writing || this.#refused !== null || this.#waiting.length === 0) return;
    this.#hand(this.#take());
  }

  #hand(bytes: Buffer): void {
    this.#writing = true;
    write(this.#fd, bytes, (error, written) => {
      this.#writing = false;
      if (isFull(error)) {
        this.#refused = bytes;
        // Not worth keeping the process for: the flush at exit takes what is left.
        setTimeout(() => this.#retry(), RETRY_MS).unref();
      } else if (error === null && written < bytes.length) {
        this.#hand(bytes.subarray(written));
      } else {
        // After any other error the lines are gone; there is nowhere left to report it.
        this.#writeNext();
      }
    });
  }

  #retry(): void {
    const refused = this.#refused;
    this.#refused = null;
    if (refused !== null) this.#hand(refused);
  }
}

/**
 * Starts a writer on `fd` that also flushes when the process exits. `linesLost` renders the line
 * that takes the place of lines for which there was no room.
 */
export function createLineWriter(fd: number, linesLost: (count: number) => string): LineWriter {
  const writer = new FileLineWriter(fd, linesLost);
  process.once('exit', () => writer.flushSync());
  return writer;
}
