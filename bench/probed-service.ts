/** Instances of the service that bench/dns-publish.ts has and bench/dns-probe.ts asks for. */
export const INSTANCES = 12;

/** Address of an instance: the second octet says of which generation. */
export const instanceAddress = (version: number, instance: number): string =>
  `10.${version}.0.${instance + 1}`;

/** Port of an instance, in another range in each generation. */
export const instancePort = (version: number, instance: number): number =>
  20_000 + 1_000 * version + instance;

/** Times in milliseconds. */
export interface ProbeReport {
  readonly sent: number;
  readonly lost: number;
  /** Answers that came and found the socket of the probe full: no fault of the server. */
  readonly missed: number;
  /** Questions that found the server's sockets full since its start, those of others too. */
  readonly droppedByServer: number;
  /** Answers that are none, incomplete or of two generations, the first few of them. */
  readonly wrong: number;
  readonly examples: readonly string[];
  /** How often an answer was of another generation than the one before. */
  readonly changes: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}
