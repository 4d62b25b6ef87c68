import { DaemonError } from '../../core/base/daemon-error.ts';

export type KernelViewKind = 'ipvs' | 'ipvs-plan';

/** Somebody waits for a view. */
interface Pending {
  readonly json: Promise<string>;
  resolve(json: string): void;
  reject(error: Error): void;
}

/** Views that wait to be rendered: all who ask for one kind get the same text. */
export class KernelViews {
  readonly #pending = new Map<KernelViewKind, Pending>();

  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  /** Rejects with the `DaemonError` of its rendering. */
  ask(kind: KernelViewKind): Promise<string> {
    const pending = this.#pending.get(kind) ?? newPending();
    this.#pending.set(kind, pending);
    return pending.json;
  }

  /** Renders what was asked for first. */
  async answer(render: (kind: KernelViewKind) => Promise<unknown>): Promise<void> {
    const [first] = this.#pending;
    if (first === undefined) return;
    const [kind, pending] = first;
    this.#pending.delete(kind);
    try {
      pending.resolve(`${JSON.stringify(await render(kind), null, 1)}\n`);
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      pending.reject(error);
    }
  }

  rejectAll(error: DaemonError): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}

function newPending(): Pending {
  let resolve: Pending['resolve'] = () => undefined;
  let reject: Pending['reject'] = () => undefined;
  const json = new Promise<string>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  return { json, resolve, reject };
}

/** What who waits for a view is told at the end. */
export function notRunning(): DaemonError {
  return new DaemonError('kernel-process', 'the kernel process is not at work');
}
