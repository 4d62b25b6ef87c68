import { ok as nodeAssert } from 'node:assert/strict';

/** States an invariant of our own code. Never used on input from outside: that gets a `Result`. */
export function assert(condition: unknown, message: string): asserts condition {
  nodeAssert(condition, message);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
