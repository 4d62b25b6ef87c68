import type { Config } from './config.ts';
import type { JsonSchema, ValueType } from './value-type.ts';

/** One key: what it means, what may stand there, and where a `Config` has it. */
export interface NativeKey<T> {
  /** One sentence for people who write the file. */
  readonly description: string;
  /** Durations are seconds in the file and milliseconds as a value. */
  readonly type: ValueType<T>;
  /** Absent: the key may be left out and then depends on other keys, see the description. */
  readonly default?: T;
  /** The value in a `Config`; undefined where the key would say nothing. */
  of(config: Config): T | undefined;
}

/** One object of the file that groups keys. */
export interface NativeSection {
  readonly description: string;
  /** Rules between the keys, for the schema; the parser has them in `native-config.ts`. */
  readonly rules?: JsonSchema;
  /** Whether a `Config` has the section; absent: always. */
  of?(config: Config): boolean;
}
