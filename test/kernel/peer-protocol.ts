/** What a test asks of the program that runs in a network namespace for it. */
export type PeerCommand =
  /** Answers its name to every request, on IPv4 and IPv6; `/stream` goes on until it is ended. */
  | { readonly kind: 'serve-http'; readonly port: number; readonly name: string }
  /** Answers its name to every datagram. */
  | { readonly kind: 'serve-udp'; readonly port: number; readonly name: string }
  /** As a server ends that loses no request: no new connections, open ones end with an answer. */
  | { readonly kind: 'stop-listening'; readonly port: number }
  /** Requests one after another, each on a connection of its own. */
  | { readonly kind: 'get'; readonly url: string; readonly count: number }
  /** A request on a connection that is kept, without probes, for those that `get-again` makes. */
  | { readonly kind: 'get-and-keep'; readonly url: string }
  | { readonly kind: 'get-again'; readonly url: string }
  /** Datagrams one after another from one socket. */
  | {
      readonly kind: 'send-udp';
      readonly address: string;
      readonly port: number;
      readonly count: number;
    }
  /** Requests at a steady rate over connections that are kept. */
  | { readonly kind: 'start-load'; readonly url: string; readonly ratePerSecond: number }
  | { readonly kind: 'start-stream'; readonly url: string }
  /** Datagrams at a steady pace from one socket. */
  | { readonly kind: 'start-udp'; readonly address: string; readonly port: number }
  /** How it went so far, or at its end. */
  | { readonly kind: 'look' | 'stop'; readonly job: number };

/** A request's body or, behind `error: `, why there was none; and how long it took. */
export interface Reply {
  readonly text: string;
  readonly ms: number;
}

export interface LoadReport {
  readonly requests: number;
  /** Each failed request with its time since the start of the load, milliseconds. */
  readonly failures: readonly string[];
  readonly byName: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** Connections that were opened. */
  readonly connections: number;
}

export interface StreamReport {
  /** Who sends it; null before the first piece. */
  readonly name: string | null;
  readonly pieces: number;
  /** Why it ended; null while it goes on. */
  readonly broken: string | null;
  readonly longestGapMs: number;
}

export interface UdpReport {
  readonly sent: number;
  readonly lost: number;
  readonly byName: Readonly<Record<string, number>>;
  /** Who answered last. */
  readonly last: string | null;
}

export type PeerReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };
