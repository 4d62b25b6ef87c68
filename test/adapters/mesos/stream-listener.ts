import type { RequestListener, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { createEventStreamClient } from '../../../src/adapters/mesos/event-stream.ts';
import type {
  EventStreamClient,
  EventStreamHandlers,
  EventSubscription,
  StreamEnd,
} from '../../../src/adapters/mesos/event-stream.ts';
import type { ClusterConfig, HostPort } from '../../../src/core/config/config.ts';
import type { StreamRecord } from '../../../src/core/mesos/record-io.ts';
import { inTime, waitUntil } from '../../support/wait-until.ts';
import { ManualClock } from '../manual-clock.ts';
import { clusterConfig, deferred, goodFiles, NEVER, startMaster } from './loopback-master.ts';
import type { LoopbackMaster } from './loopback-master.ts';

/** Hears a stream and remembers all of it. */
export class StreamListener implements EventStreamHandlers {
  readonly texts: string[] = [];
  readonly openedBy: HostPort[] = [];
  /** Called with each record after it has been remembered. */
  react: (record: StreamRecord) => void = () => undefined;

  onOpen(answeredBy: HostPort): void {
    this.openedBy.push(answeredBy);
  }

  onRecord(record: StreamRecord): void {
    this.texts.push(Buffer.concat(record.chunks).toString('utf8'));
    this.react(record);
  }

  /** Resolves when so many records have come. */
  async heard(records: number): Promise<void> {
    await waitUntil(`${records} records`, () => this.texts.length >= records);
  }
}

/** A subscription under test with all that belongs to it. */
export interface StreamRig {
  readonly client: EventStreamClient;
  readonly clock: ManualClock;
  readonly listener: StreamListener;
  readonly subscription: EventSubscription;
}

/** A client for event streams with a clock that stands still, closed at the end of the test. */
export function startStreamClient(
  t: TestContext,
  changes: Partial<ClusterConfig> = {},
): { client: EventStreamClient; clock: ManualClock } {
  const config = clusterConfig(changes);
  const clock = new ManualClock();
  const files = goodFiles(config);
  const client = createEventStreamClient(config, { files, clock, userAgent: 'hoplite/0.0.0' });
  t.after(() => client.close());
  return { client, clock };
}

/** Subscribes to the events of this master. */
export function subscribe(
  t: TestContext,
  master: HostPort,
  { signal = NEVER, ...changes }: Partial<ClusterConfig> & { signal?: AbortSignal } = {},
): StreamRig {
  const { client, clock } = startStreamClient(t, changes);
  const listener = new StreamListener();
  const { host, port } = master;
  return {
    client,
    clock,
    listener,
    subscription: client.subscribe({ host, port }, signal, listener),
  };
}

/** How the stream ended; fails if it does not end. */
export function endOf({ subscription }: Pick<StreamRig, 'subscription'>): Promise<StreamEnd> {
  return inTime('the end of the stream', subscription.ended);
}

/** A master that takes subscriptions and whose stream is written by hand. */
export interface StreamMaster extends LoopbackMaster {
  /** The stream of the first subscriber. */
  readonly stream: Promise<ServerResponse>;
  /** Resolves when that subscriber has hung up. */
  readonly hungUp: Promise<void>;
}

/** Starts a master whose first subscriber gets the headers at once. */
export async function startStreamMaster(t: TestContext): Promise<StreamMaster> {
  const opened = deferred<ServerResponse>();
  const hungUp = deferred();
  const answer: RequestListener = (request, response) => {
    request.socket.once('close', () => hungUp.resolve());
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    opened.resolve(response);
  };
  const master = await startMaster(t, answer);
  return { ...master, stream: opened.promise, hungUp: hungUp.promise };
}
