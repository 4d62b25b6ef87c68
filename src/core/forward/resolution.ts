/** A good question outside our zones, to be answered with the help of upstreams. */
export interface ForwardQuestion {
  /** Lower-case wire form, root label included. */
  readonly qname: Uint8Array;
  readonly qtype: number;
  /** DNSSEC OK (RFC 3225). */
  readonly dnssecOk: boolean;
  /** CD: the client wants data that fails validation, too (RFC 4035 §3.2.2). */
  readonly checkingDisabled: boolean;
  readonly recursionDesired: boolean;
}

/** What became of a question. */
export type Resolution =
  /** `reply` has the layout of `STORED`; `stale` says that it had ended already (RFC 8767). */
  | { readonly kind: 'reply'; readonly reply: Uint32Array; readonly stale: boolean }
  | {
      readonly kind: 'failure';
      /** SERVFAIL or REFUSED. */
      readonly rcode: number;
      /** Extended error with its text (RFC 8914), such as `10.0.0.2:53: timeout`. */
      readonly ede: number;
      readonly text: string;
    };
