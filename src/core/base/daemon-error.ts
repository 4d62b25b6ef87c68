/** Stable codes of failed effects, with what an operator should look at. */
export const ERROR_CODES = {
  'master-unreachable': 'the connection to the master failed; check address, port and firewall',
  'master-timeout': 'the master did not answer in time; raise the request timeout or ease its load',
  'master-status': 'the master answered with an unexpected HTTP status',
  'master-redirect': 'the master redirected in a circle or to a place that is not HTTP',
  'master-body-too-large': 'the state is larger than the configured limit',
  'master-auth': 'the master or the login endpoint refused the credentials',
  'state-invalid': 'the master answered 200 with something that is not a cluster state',
  'stream-unsupported': 'the master has no event stream; it is older than Mesos 1.0',
  'stream-invalid': 'the master sent something that is no event stream; a proxy in between?',
  'stream-ended': 'the master or the network ended the event stream; another one is begun',
  'stream-silent': 'heartbeats of the master stopped coming; another event stream is begun',
  'stream-behind': 'events came faster than they were read; begun anew from a snapshot',
  'state-file': 'the saved state could not be written or used; look at its path, owner and space',
  'zookeeper-unreachable':
    'no connection to a ZooKeeper server; check addresses, port and whether the ensemble has a quorum',
  'zookeeper-refused': 'ZooKeeper refused to show the masters; check path and credentials',
  'zookeeper-invalid': 'a ZooKeeper server or a node in it has something that is not understood',
  'marathon-unreachable': 'no answer from Marathon in time; check address, port and firewall',
  'marathon-auth': 'Marathon refused the credentials',
  'marathon-status': 'Marathon answered with an error; 503: look whether it has a leader',
  'marathon-invalid': 'Marathon sent something that is not understood; a proxy in between?',
  'upstream-timeout': 'a resolver did not answer in time',
  'upstream-failed': 'the exchange with a resolver failed',
  'upstream-busy': 'too many questions wait for resolvers, which are too slow; no more was asked',
  'listen-failed': 'a listener could not be opened; check the address, the port and who uses it',
  'worker-failed': 'the generation worker stopped unexpectedly',
  'kernel-permission':
    'no CAP_NET_ADMIN in the host user namespace; grant it or set kernel.enabled',
  'kernel-module': 'the kernel has no IPVS; load the module ip_vs or set kernel.enabled to false',
  'kernel-scheduler': 'the kernel has no such IPVS scheduler; load the module ip_vs_<scheduler>',
  'kernel-timeout': 'the kernel did not answer a netlink request in time',
  'kernel-failed': 'a netlink request failed',
  'kernel-off': 'the configuration leaves the kernel alone; set kernel.enabled to true',
  'kernel-process': 'the process that programs the kernel stopped unexpectedly',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** A failed effect (network, disk, worker): caught once per loop, logged, counted, backed off. */
export class DaemonError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DaemonError';
    this.code = code;
  }
}

/** Code of a failed effect; null for any other error. */
export function codeOf(error: unknown): ErrorCode | null {
  return error instanceof DaemonError ? error.code : null;
}
