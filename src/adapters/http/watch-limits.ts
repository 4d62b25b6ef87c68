/** What those who watch may cost. */
export interface WatchLimits {
  /** A quarter of all HTTP connections, so that watching does not shut others out. */
  readonly clientsMax: number;
  /** Changes kept for clients that come back or lag: some minutes of one change a second … */
  readonly eventsMax: number;
  /** … and their memory, once for all clients; a service of 1,000 tasks takes 200 kB in each change. */
  readonly eventBytesMax: number;
  /**
   * Handed to a connection at a time; what is more waits until the system has taken it. All clients
   * together keep the main thread for some 5 ms.
   */
  readonly partBytes: number;
  /**
   * Pictures that are on their way, of all clients together, one that several read counting once: that
   * of 10,000 services with VIPs has 8 MB.
   */
  readonly snapshotBytesMax: number;
  /** Different pictures that the generation worker renders at a time. */
  readonly viewsMax: number;
  /** After this a client that waits for a picture is refused. */
  readonly viewTimeoutMs: number;
  /** New pictures in a row for a client that loses its place again while it reads one. */
  readonly renewalsMax: number;
  /** Half of the time after which a silent connection is cut, here and in most proxies. */
  readonly heartbeatMs: number;
  /** When a browser asks again after the connection broke. */
  readonly retryMs: number;
  /** How long changes are kept for clients that may come back, when nobody watches any more. */
  readonly lingerMs: number;
}

/** The limits in service. */
export const WATCH_LIMITS: WatchLimits = {
  clientsMax: 64,
  eventsMax: 1_000,
  eventBytesMax: 4 * 1024 * 1024,
  partBytes: 32 * 1024,
  snapshotBytesMax: 32 * 1024 * 1024,
  viewsMax: 8,
  viewTimeoutMs: 10_000,
  renewalsMax: 3,
  heartbeatMs: 15_000,
  retryMs: 2_000,
  lingerMs: 300_000,
};
