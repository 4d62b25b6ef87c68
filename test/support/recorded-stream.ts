import { readFileSync } from 'node:fs';
import { projectPath } from './project.ts';

/** The event stream of a real master (Mesos 1.12), which sent each record as one HTTP chunk. */
export interface RecordedStream {
  /** The body without the framing of HTTP. */
  readonly body: Buffer;
  /** Its records, found by the framing of HTTP alone. */
  readonly records: readonly string[];
}

/** Reads `test/fixtures/mesos-master/NAME.http`. */
export function recordedStream(name: string): RecordedStream {
  const wire = readFileSync(projectPath(`test/fixtures/mesos-master/${name}.http`));
  const chunks: Buffer[] = [];
  for (let at = wire.indexOf('\r\n\r\n') + 4; at < wire.length;) {
    const lineEnd = wire.indexOf('\r\n', at);
    const start = lineEnd + 2;
    const length = Number.parseInt(wire.toString('latin1', at, lineEnd), 16);
    chunks.push(wire.subarray(start, start + length));
    at = start + length + 2;
  }
  const records = chunks.map((chunk) => chunk.subarray(chunk.indexOf('\n') + 1).toString('utf8'));
  return { body: Buffer.concat(chunks), records };
}

/** Records in the framing of Mesos. */
export function recordIo(...records: readonly string[]): Buffer {
  const parts = records.map((record) => `${Buffer.byteLength(record)}\n${record}`);
  return Buffer.from(parts.join(''));
}
