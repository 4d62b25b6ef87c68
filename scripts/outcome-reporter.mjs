// Second reporter beside node's own: one JSON line per outcome that the runner has to know about.
import { basename } from 'node:path';

const NO_REASON = 'no reason given';

/** The event as `{kind, file, name, reason?}`, or null if it does not count as an outcome. */
function outcome({ type, data }) {
  if (type !== 'test:pass' && type !== 'test:fail') return null;
  const file = data.file ?? '';
  // A file without any test is reported by node as one test that bears the file's name.
  if (data.nesting === 0 && basename(data.name).endsWith('.test.js')) {
    return type === 'test:pass' ? { kind: 'empty', file, name: data.name } : null;
  }
  const omitted = data.skip ?? data.todo;
  if (omitted !== undefined) {
    const reason = typeof omitted === 'string' && omitted !== '' ? omitted : NO_REASON;
    return { kind: 'skip', file, name: data.name, reason };
  }
  return data.details?.type === 'suite' ? null : { kind: 'test', file, name: data.name };
}

export default async function* outcomeReporter(events) {
  for await (const event of events) {
    const found = outcome(event);
    if (found !== null) yield `${JSON.stringify(found)}\n`;
  }
}
