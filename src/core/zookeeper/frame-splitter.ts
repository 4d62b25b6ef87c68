import { err, ok } from '../base/result.ts';
import type { Result } from '../base/result.ts';

/** `jute.maxbuffer` of ZooKeeper unless it is told otherwise; a list of masters is a few hundred. */
export const FRAME_OCTETS_MAX: number = 1024 * 1024;

/** Cuts a stream into frames: each is a length in four octets, and so many octets. */
export class FrameSplitter {
  readonly #head = new Uint8Array(4);
  #headLength = 0;
  /** The frame that is being received, null between frames. */
  #frame: Uint8Array | null = null;
  #filled = 0;

  /** The frames that end in `chunk`, without their lengths; an error if one would be too long. */
  push(chunk: Uint8Array): Result<readonly Uint8Array[], string> {
    const frames: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === null) {
        this.#head[this.#headLength++] = chunk[at++]!;
        if (this.#headLength < 4) continue;
        this.#headLength = 0;
        const length = new DataView(this.#head.buffer).getInt32(0);
        if (length < 0 || length > FRAME_OCTETS_MAX) {
          return err(`a frame of ${length} octets; ${FRAME_OCTETS_MAX} are the limit`);
        }
        this.#frame = new Uint8Array(length);
        this.#filled = 0;
      } else {
        const part = chunk.subarray(at, at + this.#frame.length - this.#filled);
        this.#frame.set(part, this.#filled);
        this.#filled += part.length;
        at += part.length;
      }
      if (this.#filled < this.#frame.length) continue;
      frames.push(this.#frame);
      this.#frame = null;
    }
    return ok(frames);
  }
}
