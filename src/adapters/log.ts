import { isSecretName } from '../core/base/secret-name.ts';
import { pino } from 'pino';
import type { LogLevel } from '../core/config/config.ts';
import type { Log, LogFields } from '../core/ports.ts';
import { createLineWriter } from './log/line-writer.ts';

/** Where log lines go: each `write` gets one line with its newline. */
export interface LogDestination {
  write(line: string): void;
  /** Writes what is buffered before it returns. */
  flushSync?(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Standard output when absent. */
  readonly destination?: LogDestination;
}

/** `Log` with what the lifecycle needs: another level at reload, children, a flush at exit. */
export interface DaemonLog extends Log {
  /** Applies to every child too. */
  setLevel(level: LogLevel): void;
  /** A log that adds `fields` to each line, such as `{ component: 'poller' }`. */
  child(fields: LogFields): DaemonLog;
  /**
   * Writes what waits in memory before it returns; a write that the system has already been given
   * is completed at exit. Never throws, since it runs while the process goes down.
   */
  flush(): void;
}

// One line stays a line one can read, whatever an outside value holds.
const DEPTH_MAX = 6;
const ENTRIES_MAX = 50;
const TEXT_LENGTH_MAX = 2_000;
const STACK_LINES_MAX = 12;

const REDACTED = '[redacted]';
/** Credentials that libraries put into the text of their messages. */
const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/:\/\/[^\s/@]+@/g, `://${REDACTED}@`],
  [/\b(authorization["']?\s*[:=]\s*["']?)(?:\w+\s+)?[^\s"']+/gi, `$1${REDACTED}`],
  [/\b(bearer\s+|(?:token|secret|password)=)[^\s"'&]+/gi, `$1${REDACTED}`],
];

/** pino writes these itself; a field of the same name would make a second key in the object. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['time', 'level', 'event']);

function cleanText(text: string): string {
  let clean = text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}…`;
  for (const [pattern, replacement] of SECRET_TEXT) clean = clean.replace(pattern, replacement);
  return clean;
}

/** What an operator needs of an error; the stack only where no code says what happened. */
function cleanError(error: Error, depth: number): Record<string, unknown> {
  const code = 'code' in error ? error.code : undefined;
  const clean: Record<string, unknown> = { name: error.name, message: cleanText(error.message) };
  if (code !== undefined) {
    clean['code'] = cleanValue(code, depth + 1);
  } else if (error.stack !== undefined) {
    clean['stack'] = cleanText(error.stack.split('\n').slice(0, STACK_LINES_MAX).join('\n'));
  }
  if (error.cause !== undefined) clean['cause'] = cleanValue(error.cause, depth + 1);
  // Connecting to a name with several addresses fails with one error per address.
  if (error instanceof AggregateError) clean['errors'] = cleanValue(error.errors, depth + 1);
  return clean;
}

function cleanObject(value: object, depth: number): unknown {
  if (value instanceof Error) return cleanError(value, depth);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`;
  if (Array.isArray(value)) {
    const items = value.slice(0, ENTRIES_MAX).map((item) => cleanValue(item, depth + 1));
    if (value.length > ENTRIES_MAX) items.push(`… ${value.length - ENTRIES_MAX} more`);
    return items;
  }
  const clean: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value).slice(0, ENTRIES_MAX)) {
    clean[name] = cleanMember(name, item, depth + 1);
  }
  return clean;
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  return depth >= DEPTH_MAX ? '…' : cleanObject(value, depth);
}

function cleanMember(name: string, value: unknown, depth: number): unknown {
  const secret = isSecretName(name) && value !== null && value !== undefined;
  return secret ? REDACTED : cleanValue(value, depth);
}

function lineOf(event: string, ...fieldSets: readonly LogFields[]): Record<string, unknown> {
  const line: Record<string, unknown> = { event };
  for (const fields of fieldSets) {
    for (const [name, value] of Object.entries(fields)) {
      line[RESERVED_NAMES.has(name) ? `${name}_` : name] = cleanMember(name, value, 0);
    }
  }
  return line;
}

function standardOutput(): LogDestination {
  return createLineWriter(1, (lines) => {
    const time = new Date().toISOString();
    return `${JSON.stringify({ level: 'warn', time, event: 'log-lines-lost', lines })}
`;
  });
}

/**
 * The daemon's log: one JSON object a line, `{"level":"info","time":"<ISO 8601>","event":…}` and
 * the fields. Values under secret-looking names, and credentials inside texts, are replaced; errors
 * become `{name, code, message, cause}`. Standard output is written in the background; what is left
 * is written when the process exits, also after an uncaught error.
 */
export function createLog(options: LogOptions): DaemonLog {
  const destination = options.destination ?? standardOutput();
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Fields are cleaned before pino sees them; its own serialiser would add the stack.
      serializers: { err: (value: unknown) => value },
    },
    destination,
  );
  const withFields = (bound: LogFields): DaemonLog => {
    const write =
      (level: 'debug' | 'info' | 'warn' | 'error') =>
      (event: string, fields: LogFields = {}): void => {
        if (logger.isLevelEnabled(level)) logger[level](lineOf(event, bound, fields));
      };
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      setLevel: (level) => {
        logger.level = level;
      },
      child: (fields) => withFields({ ...bound, ...fields }),
      flush: () => {
        try {
          destination.flushSync?.();
        } catch {
          // A destination that fails leaves nobody to tell.
        }
      },
    };
  };
  return withFields({});
}
