/** Exit codes, after sysexits(3); listed in `hoplite --help`. */
export const EXIT = {
  OK: 0,
  /** The work failed: a port is taken, a file is missing. */
  FAILED: 1,
  /** The command line is wrong. */
  USAGE: 64,
  /** A bug in hoplite. */
  BUG: 70,
  /** The configuration is wrong. */
  CONFIG: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A wrong command line; the message says what is right. */
export class UsageError extends Error {}
