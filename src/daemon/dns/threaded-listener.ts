import type { HandedOverQuery } from '../../adapters/dns/native/handed-over.ts';
import type { NativeUdpStats, SocketGroup } from '../../adapters/dns/native/socket-group.ts';
import type { QueryHandler } from '../../adapters/dns/query-handler.ts';
import type { UdpListener } from '../../adapters/dns/udp-listener.ts';
import { assert } from '../../core/base/assert.ts';
import type { SocketAddress } from '../../core/config/config.ts';

/** One address whose packets UDP threads answer; what they cannot answer goes to the handler. */
export class ThreadedListener implements UdpListener {
  readonly group: SocketGroup;
  readonly #handler: QueryHandler;
  readonly #release: (listener: ThreadedListener) => Promise<void>;
  #unanswered = 0;
  #onIdle: (() => void) | null = null;
  #closing: Promise<void> | null = null;

  /** `release` resolves when no thread uses the sockets any more. */
  constructor(
    group: SocketGroup,
    handler: QueryHandler,
    release: (listener: ThreadedListener) => Promise<void>,
  ) {
    this.group = group;
    this.#handler = handler;
    this.#release = release;
  }

  get address(): SocketAddress {
    return this.group.address;
  }

  get receiveBufferBytes(): number {
    return this.group.receiveBufferBytes;
  }

  stats(): NativeUdpStats {
    return this.group.stats();
  }

  /** Answers a query of `thread`; `onSettled` is called when it waits no longer. */
  answer(thread: number, query: HandedOverQuery, onSettled: () => void): void {
    let answered = false;
    this.#unanswered++;
    this.#handler(query.message, query.client, (response) => {
      assert(!answered, 'a query is answered once');
      answered = true;
      this.#unanswered--;
      onSettled();
      // Closed in the meantime, it sends nothing; and nothing is what an empty response says.
      if (response.length > 0) this.group.send(thread, response, query.route);
      if (this.#unanswered === 0) this.#onIdle?.();
    });
  }

  close(deadline?: Promise<void>): Promise<void> {
    this.#closing ??= this.#shutDown(deadline);
    return this.#closing;
  }

  async #shutDown(deadline?: Promise<void>): Promise<void> {
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    if (deadline !== undefined && this.#unanswered > 0) await Promise.race([deadline, idle]);
    await this.#release(this);
    this.group.close();
  }
}
