/** Who asked. */
export interface DnsClient {
  readonly protocol: 'udp' | 'tcp';
  readonly family: 4 | 6;
  /** IPv4 or IPv6 text; link-local IPv6 with its zone. */
  readonly address: string;
  readonly port: number;
}

/**
 * Answers one message that has at least a header and is no response; anything else in it is
 * unchecked. `query` may be a view of a larger buffer and is valid only during the call: copy what
 * is needed longer. `respond` takes a whole message, is called at most once, during the call or
 * later, copies what it is given before it returns, and does nothing once the socket is gone. A
 * response without octets means silence; there is none over TCP.
 */
export type QueryHandler = (
  query: Uint8Array,
  client: DnsClient,
  respond: (response: Uint8Array) => void,
) => void;
