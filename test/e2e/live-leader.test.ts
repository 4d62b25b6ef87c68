import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import { startMaster } from '../support/scripted-master.ts';
import { StreamingMaster } from '../support/streaming-master.ts';
import { missingTools } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';
import {
  eventually,
  startZookeeper,
  type ZookeeperServer,
  ZookeeperWriter,
} from '../support/zookeeper.ts';

const skip = missingTools('zkServer.sh');

suite('a daemon that reads the leader from ZooKeeper', { skip }, () => {
  const shared = new SuiteCleanup();
  let servers: readonly ZookeeperServer[];
  before(async () => {
    servers = await startZookeeper(shared, 1);
  });
  after(() => shared.run());

  async function enter(master: StreamingMaster): Promise<ZookeeperWriter> {
    const { host, port } = master.master;
    const address = { hostname: host, ip: host, port };
    const info = { address, hostname: host, ip: 16_777_343, port, pid: master.master.pid, id: 'x' };
    const writer = await ZookeeperWriter.open(shared, servers);
    await writer.make('/mesos');
    await writer.enter('/mesos', 'json.info_', JSON.stringify(info));
    return writer;
  }

  const follows = (daemon: RunningDaemon, { master }: StreamingMaster): Promise<unknown> =>
    waitUntil(`the stream of ${master.text}`, () => {
      const { events, leader } = daemon.status().source;
      return (
        events.state === 'following' && events.master === master.text && leader === master.text
      );
    });

  test('follows each leader in turn, and keeps the last one when ZooKeeper is gone', async () => {
    const first = new StreamingMaster(await startMaster(shared));
    const second = new StreamingMaster(await startMaster(shared));
    const entry = await enter(first);
    await enter(second);
    const { host, port } = servers[0]!.address;
    const daemon = await startDaemon(
      shared,
      daemonConfig({
        cluster: {
          zookeeper: `zk://${host}:${port}/mesos`,
          events: { follow: 'always' },
          trust: { maxLossPercent: 20 },
        },
        dns: { udpThreads: 0 },
      }),
    );
    await follows(daemon, first);
    first.add('api');
    second.tasks = first.tasks;
    await waitUntil('the name', async () => {
      return (await daemon.answers('api.marathon.mesos.')).length > 0;
    });

    await entry.close();
    await follows(daemon, second);
    for (const name of ['web', 'api']) {
      assert.deepEqual(await daemon.answers(`${name}.marathon.mesos.`), ['A 10.0.0.1'], name);
    }
    second.add('db');
    await waitUntil('its news', async () => {
      return (await daemon.answers('db.marathon.mesos.')).length > 0;
    });

    await servers[0]!.kill();
    await eventually('the loss', () => daemon.status().source.zookeeper?.connected === false);
    await follows(daemon, second);
    const [reason] = await waitUntil('the reason', () => {
      const { reasons } = daemon.status();
      return reasons.length > 0 ? reasons : null;
    });
    assert.match(reason ?? '', /^ZooKeeper does not answer: .* counts as leader$/);
    second.add('late');
    await waitUntil('news all the same', async () => {
      return (await daemon.answers('late.marathon.mesos.')).length > 0;
    });
  });
});
