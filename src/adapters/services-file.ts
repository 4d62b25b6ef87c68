import { constants, type FSWatcher, watch } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { err, ok, type Result } from '../core/base/result.ts';
import type { Clock } from '../core/ports.ts';

/** 10,000 services with some endpoints and labels each; stops a wrong path to a log. */
export const SERVICES_BYTES_MAX: number = 4 * 1_048_576;

/** For file systems without events, and for files behind a link into another directory. */
const LOOK_MS = 10_000;
/** One write makes several events, and a file is written in a moment. */
const SETTLE_MS = 100;

/** Who is told about a services file. */
export interface ServicesFileEvents {
  /** The file has another text than the one before; whether it is good is for others to say. */
  onChange(text: string): void;
  /** It cannot be read (any more), once for each reason: what is wrong, without its name. */
  onProblem(message: string): void;
}

/** Text of a services file (UTF-8, a byte order mark is dropped), or why there is none. */
export async function readServicesFile(path: string): Promise<Result<string, string>> {
  const read = await readVersion(path, null);
  return read.ok ? ok(read.value.text ?? '') : read;
}

/**
 * Follows a services file: written in place, replaced by another, behind a link that is turned
 * elsewhere, or not there yet.
 */
export class ServicesFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #events: ServicesFileEvents;
  #watcher: FSWatcher | null = null;
  /** Directory that is watched. */
  #watched: string | null = null;
  /** What was read last; null: nothing, or it may have changed unseen. */
  #version: string | null = null;
  #text: string | null = null;
  #problem: string | null = null;
  #isLooking = false;
  #isAsked = false;
  #isClosed = false;
  #stopLook: () => void = () => undefined;
  #stopSettle: (() => void) | null = null;

  constructor(path: string, clock: Clock, events: ServicesFileEvents) {
    this.#path = resolve(path);
    this.#clock = clock;
    this.#events = events;
  }

  /** Why the file cannot be read now; null: it can. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Resolves after the first reading, good or bad. Never rejects. */
  async start(): Promise<void> {
    await this.#look();
    this.#lookLater();
  }

  /** Nothing is told afterwards. */
  close(): void {
    this.#isClosed = true;
    this.#stopLook();
    this.#stopSettle?.();
    this.#unwatch();
  }

  #lookLater(): void {
    if (this.#isClosed) return;
    this.#stopLook = this.#clock.after(LOOK_MS, () => {
      void this.#look().then(() => this.#lookLater());
    });
  }

  /** Looks, and again if something happens meanwhile. */
  async #look(): Promise<void> {
    this.#isAsked = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#takeAsked()) {
        // First the watcher: what changes after the reading must make an event.
        await this.#watch();
        await this.#read();
      }
    } finally {
      this.#isLooking = false;
    }
  }

  #takeAsked(): boolean {
    const isAsked = this.#isAsked && !this.#isClosed;
    this.#isAsked = false;
    return isAsked;
  }

  async #read(): Promise<void> {
    const read = await readVersion(this.#path, this.#version);
    if (this.#isClosed) return;
    if (!read.ok) {
      this.#version = null;
      if (this.#problem === read.error) return;
      this.#problem = read.error;
      this.#events.onProblem(read.error);
      return;
    }
    const { version, text } = read.value;
    this.#problem = null;
    this.#version = version;
    if (text === null || text === this.#text) return;
    this.#text = text;
    this.#events.onChange(text);
  }

  /** Watches the directory, since a watched file is lost when another one takes its place. */
  async #watch(): Promise<void> {
    const directory = dirname(this.#path);
    const found = await identityOf(directory);
    if (this.#isClosed || (found === this.#watched && this.#watcher !== null)) return;
    this.#unwatch();
    if (found === null) return;
    try {
      const watcher = watch(directory, { persistent: false });
      watcher.on('change', (_kind, name) => this.#heard(String(name)));
      // Looking goes on, and tries to watch again.
      watcher.on('error', () => this.#unwatch());
      this.#watcher = watcher;
      this.#watched = found;
    } catch {
      // No more watches, or not allowed: looking must do.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#watched = null;
  }

  #heard(name: string): void {
    if (this.#isClosed) return;
    // Two writes of equal length within the grain of the file system's clock look like one.
    if (name === basename(this.#path)) this.#version = null;
    this.#stopSettle ??= this.#clock.after(SETTLE_MS, () => {
      this.#stopSettle = null;
      void this.#look();
    });
  }
}

interface ReadVersion {
  readonly version: string;
  /** null: it is the version that is known. */
  readonly text: string | null;
}

/** Reads a file unless it is the `known` version. */
async function readVersion(
  path: string,
  known: string | null,
): Promise<Result<ReadVersion, string>> {
  try {
    // Without waiting for somebody to write into a named pipe.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat({ bigint: true });
      if (!stats.isFile()) {
        return err(stats.isDirectory() ? 'is a directory; name the file in it' : 'is no file');
      }
      const { dev, ino, size, mtimeNs, ctimeNs } = stats;
      const version = [dev, ino, size, mtimeNs, ctimeNs].join(' ');
      if (version === known) return ok({ version, text: null });
      const bytes = new Uint8Array(SERVICES_BYTES_MAX + 1);
      let length = 0;
      while (length < bytes.length) {
        const { bytesRead } = await handle.read(bytes, length, bytes.length - length, null);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length > SERVICES_BYTES_MAX) return err(`is larger than ${SERVICES_BYTES_MAX} bytes`);
      const decoder = new TextDecoder('utf-8', { fatal: true });
      return ok({ version, text: decoder.decode(bytes.subarray(0, length)) });
    } finally {
      await handle.close();
    }
  } catch (error) {
    return err(describeFailure(error));
  }
}

async function identityOf(directory: string): Promise<string | null> {
  try {
    const { dev, ino } = await stat(directory, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return null;
  }
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist: a part of the path is not a directory',
  EACCES: 'may not be read by this user; check the owner and the mode',
  EPERM: 'may not be read by this user; check the owner and the mode',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'is not UTF-8 text; save it as UTF-8',
};

function describeFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return FAILURES[code] ?? `cannot be read (${code})`;
}
