import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForwardRejectLog } from '../../../src/daemon/dns/forward-reject-log.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';

test('rejected forwards are logged at once, then at most once a minute with their numbers', () => {
  const clock = new ManualClock();
  const lines: unknown[] = [];
  const ignore = (): void => undefined;
  const warn = (event: string, fields?: unknown): void => void lines.push([event, fields]);
  const log = new ForwardRejectLog(clock, { debug: ignore, info: ignore, warn, error: ignore });
  log.add('loop');
  for (let i = 0; i < 1000; i++) log.add('inflight');
  clock.advance(59_999);
  log.add('loop');
  assert.deepEqual(lines, [['forward-rejected', { loop: 1 }]]);
  clock.advance(1);
  log.add('loop');
  assert.deepEqual(lines.slice(1), [['forward-rejected', { inflight: 1000, loop: 2 }]]);
});
