import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import {
  createMarathonClient,
  loadMarathonFiles,
} from '../../../src/adapters/mesos/marathon-client.ts';
import type { MarathonConfig } from '../../../src/core/config/config.ts';
import { HealthOverlay, readApps } from '../../../src/daemon/source/health-overlay.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { startMaster } from '../../adapters/mesos/loopback-master.ts';
import { ALIVE, app, appTask, check, FAILED } from '../../core/marathon/marathon-apps.ts';
import { inTime, waitUntil } from '../../support/wait-until.ts';

test('a change at a Marathon reaches the overlay by its events, and by asking without them', async (t) => {
  let result: unknown = ALIVE;
  const buses: ServerResponse[] = [];
  const marathon = await startMaster(t, (request, response) => {
    if (request.url?.startsWith('/v2/apps?') === true) {
      const apps = [app([appTask('a', [result])], { healthChecks: [check('HTTP')] })];
      response.end(JSON.stringify({ apps }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    buses.push(response);
  });
  const config: MarathonConfig = {
    instances: [marathon],
    tls: null,
    auth: { kind: 'none' },
    framework: 'marathon',
  };
  const files = loadMarathonFiles(config);
  assert.ok(files.ok);
  const clock = new ManualClock();
  const options = { clock, userAgent: 'hoplite/0.0.0', timeoutMs: 5_000, bodyBytesMax: 100_000 };
  const client = createMarathonClient(config, { ...options, files: files.value });
  const changes: string[] = [];
  const ignore = (): void => undefined;
  const overlay = new HealthOverlay({
    clock,
    random: () => 0,
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    fetchApps: (signal) => client.fetchApps(signal),
    followEvents: (signal, handlers) => client.followEvents(signal, handlers),
    readApps,
    onChange: (health) => changes.push([...health].join()),
  });
  t.after(() => client.close());
  overlay.start();
  clock.advance(0);
  await waitUntil('the first answer', () => overlay.status().state === 'ok');
  await waitUntil('the bus', () => overlay.status().bus === 'following');

  result = FAILED;
  buses[0]?.write('event: instance_health_changed_event\r\ndata: {}\r\n\r\n');
  await waitUntil('the event', () => overlay.status().events === 1);
  clock.advance(2_000);
  await waitUntil('the change', () => changes.length === 2);

  buses[0]?.destroy();
  await waitUntil('the end of the bus', () => overlay.status().bus === 'waiting');
  result = ALIVE;
  clock.advance(30_000);
  await waitUntil('the next change', () => changes.length === 3);
  assert.deepEqual(changes, ['a,healthy', 'a,unhealthy', 'a,healthy']);

  await inTime('the end', overlay.stop());
  await inTime('the end of the client', client.close());
  assert.equal(overlay.status().state, 'off');
});
