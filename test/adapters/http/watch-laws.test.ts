import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { WatchClient } from '../../../src/adapters/http/watch-client.ts';
import { pictureFrom } from '../../../src/adapters/http/watch-pictures.ts';
import { WatchRing } from '../../../src/adapters/http/watch-ring.ts';
import type { ResetReason } from '../../../src/adapters/http/watch-ring.ts';
import { changed, EPOCH, picture } from './watch-listener.ts';

const NAMES = ['a', 'b', 'c'];

/** What happens next, to the cluster or to the client. */
const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('build' as const),
      names: fc.subarray(NAMES),
      isLost: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('publish' as const) }),
    fc.record({ kind: fc.constant('picture' as const) }),
    fc.record({ kind: fc.constant('read' as const) }),
    fc.record({ kind: fc.constant('reconnect' as const) }),
  ),
  { maxLength: 60, size: 'max' },
);

/** A consumer: applies what it reads, and notices what comes twice, too late or without a place. */
class Consumer {
  copy = new Map<string, number>();
  lastId: string | null = null;
  isWhole = false;
  text = '';

  read(): void {
    const blocks = this.text.split('\n\n');
    this.text = '';
    for (const block of blocks) if (block !== '') this.#event(block);
  }

  #event(block: string): void {
    const [, id = null] = /^id:[^\S\n]*(.*)$/m.exec(block) ?? [];
    const [, event = ''] = /^event: (.*)$/m.exec(block) ?? [];
    const [, data = 'null'] = /^data: (.*)$/m.exec(block) ?? [];
    const told = JSON.parse(data) as { name: string; value: number };
    if (event === 'reset') {
      this.copy = new Map();
      this.isWhole = false;
    } else if (event === 'synced') {
      this.isWhole = true;
    } else {
      const before = this.copy.get(told.name) ?? -1;
      assert.ok(told.value > before, `${block} came twice or in the wrong order`);
      this.copy.set(told.name, told.value);
    }
    if (id !== null) this.lastId = id === '' ? null : id;
  }
}

interface Built {
  readonly generation: number;
  readonly states: Readonly<Record<string, number>>;
  readonly names: readonly string[];
}

/** A cluster, a ring of few changes and one client, moved by hand. */
class World {
  readonly ring = new WatchRing(EPOCH, { eventsMax: 4, eventBytesMax: 10_000 });
  readonly consumer = new Consumer();
  readonly #built: Built[] = [{ generation: 1, states: { a: 1, b: 1, c: 1 }, names: [] }];
  #unpublished: Built[] = [];
  #client: WatchClient | null = null;
  /** The picture is due; null: none is. */
  #wanted: ResetReason | null = null;

  constructor() {
    this.ring.add({ generation: 1, previous: null, events: [] });
    this.reconnect();
  }

  get current(): Built {
    return this.#built.at(-1)!;
  }

  build(names: readonly string[]): void {
    const generation = this.current.generation + 1;
    const states = { ...this.current.states };
    for (const name of names) states[name] = generation;
    const built = { generation, states, names };
    this.#built.push(built);
    this.#unpublished.push(built);
  }

  publish(): void {
    const built = this.#unpublished.shift();
    if (built === undefined) return;
    const { generation, states, names } = built;
    const events = names.map((name) => changed(name, states[name]));
    this.ring.add({ generation, previous: generation - 1, events });
    this.#pump();
  }

  /** A generation that nobody publishes: the next one does not follow what is in service. */
  lose(): void {
    this.#unpublished = [];
  }

  /** The worker answers with the generation that it has built last. */
  picture(): void {
    if (this.#wanted === null) return;
    const { generation, states } = this.current;
    this.#client?.show(pictureFrom(Buffer.from(picture(generation, states))), this.#wanted);
    this.#wanted = null;
    this.#pump();
  }

  /** The client reads all that it was sent. */
  read(): void {
    this.consumer.read();
    this.#client?.drained();
    this.#pump();
  }

  /** What was sent and not read is lost; partly read blocks count as unread. */
  reconnect(): void {
    this.consumer.text = '';
    const { ring, consumer } = this;
    const response = {
      write(bytes: Buffer | string): boolean {
        consumer.text += bytes.toString();
        return false;
      },
    };
    this.#client = new WatchClient(
      response as unknown as ServerResponse,
      { kind: null, name: null },
      ring,
      { partBytes: 60 },
    );
    const place = ring.resume(consumer.lastId);
    if (typeof place === 'number') this.#client.resume(place);
    this.#wanted = typeof place === 'number' ? null : place;
    this.#pump();
  }

  #pump(): void {
    if (this.#wanted !== null || this.#client?.pump() !== false) return;
    this.#client.wait();
    this.#wanted = 'lagging';
  }
}

test('whatever comes between, a client that reads in the end has all there is, and nothing twice', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const world = new World();
      for (const step of list) {
        if (step.kind === 'build') {
          world.build(step.names);
          if (step.isLost && step.names.length === 0) world.lose();
        } else {
          world[step.kind]();
        }
      }
      world.build(['a']);
      for (let turn = 0; turn < 200; turn++) {
        world.publish();
        world.picture();
        world.read();
      }
      assert.ok(world.consumer.isWhole);
      assert.deepEqual(Object.fromEntries(world.consumer.copy), world.current.states);
    }),
    { numRuns: 1_000 },
  );
});
