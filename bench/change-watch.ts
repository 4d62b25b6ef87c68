/** What bench/propagation.ts and the probe that it starts say to each other, one JSON line each. */

/** What to wait for. */
export interface Watched {
  /** In presentation form. */
  readonly qname: string;
  /** null: DNS is asked, else whether the kernel sends packets for this VIP, port 80, to the backend. */
  readonly vip: string | null;
  readonly address: string;
  readonly port: number;
  /** Whether the address is to come, or to go. */
  readonly isThere: boolean;
}

/** `asking`: it is not so yet; `seen`: it is, since so many nanoseconds of `process.hrtime`. */
export type Sighting =
  | { readonly kind: 'asking' }
  | { readonly kind: 'seen'; readonly at: string; readonly asked: number };
