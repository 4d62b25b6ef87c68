import type { StateFile, StateFileHeader } from '../adapters/state-file.ts';
import type { Result } from '../core/base/result.ts';
import type { ClusterSnapshot } from '../core/mesos/snapshot.ts';

/** What it is written and read with. */
export interface StateDisk {
  digestOf(body: Uint8Array): Promise<string>;
  write(path: string, header: StateFileHeader, body: Uint8Array): Promise<void>;
  read(path: string, bytesMax: number): Promise<Result<StateFile, string> | null>;
}

/** An equal state is written again after so long, since its age counts when it is read. */
const REWRITE_MS = 3_600_000;

/**
 * The worker's side of the saved state: keeps the octets of a state from its reading until it is
 * believed and written, and no longer: they can be 80 MB.
 */
export class KeptState {
  readonly #disk: StateDisk;
  #kept: { readonly body: Uint8Array; readonly snapshot: ClusterSnapshot } | null = null;
  /** What the file holds. */
  #onDisk: { readonly path: string; readonly digest: string; readonly takenAt: number } | null =
    null;

  constructor(disk: StateDisk) {
    this.#disk = disk;
  }

  keep(body: Uint8Array, snapshot: ClusterSnapshot): void {
    this.#kept = { body, snapshot };
  }

  drop(): void {
    this.#kept = null;
  }

  /** Whether it was written: not if the file holds the same. Rejects if it cannot be. */
  async save(path: string, takenAt: number): Promise<boolean> {
    const kept = this.#kept;
    this.#kept = null;
    if (kept === null) return false;
    const { body, snapshot } = kept;
    const digest = await this.#disk.digestOf(body);
    const before = this.#onDisk;
    const isThere = before?.path === path && before.digest === digest;
    const isSame = isThere && takenAt - before.takenAt < REWRITE_MS;
    if (isSame) return false;
    const { leader, agents } = snapshot;
    const terms = { kind: 'state', takenAt, leader, agents: agents.length } as const;
    await this.#disk.write(path, { ...terms, bytes: body.length, digest }, body);
    this.#onDisk = { path, digest, takenAt };
    return true;
  }

  /** Rejects if there is no such file, or it cannot be used. */
  async load(path: string, bytesMax: number): Promise<StateFile> {
    const found = await this.#disk.read(path, bytesMax);
    if (found === null) throw new Error('does not exist any more');
    if (!found.ok) throw new Error(found.error);
    const { digest, takenAt } = found.value.header;
    this.#onDisk = { path, digest, takenAt };
    return found.value;
  }
}
