/** A piece of input that was left out, and nothing else with it. Listed under `/v1/rejections`. */
export interface Rejection {
  /** Where in the input, such as `frameworks[0].tasks[12].discovery.ports[1].number`. */
  readonly path: string;
  /** Stable, machine-readable reason, such as `port-out-of-range`. */
  readonly code: string;
  /** The offending value as text, cut to `REJECTED_VALUE_LENGTH_MAX` characters. */
  readonly value: string;
}

/** Enough to recognise a value; hostile input must not fill logs and memory through us. */
export const REJECTED_VALUE_LENGTH_MAX = 120;

/** Renders any value of the input for a `Rejection`. */
export function rejectedValue(value: unknown): string {
  const text = typeof value === 'string' ? value : String(JSON.stringify(value));
  return text.length <= REJECTED_VALUE_LENGTH_MAX
    ? text
    : `${text.slice(0, REJECTED_VALUE_LENGTH_MAX - 1)}…`;
}
