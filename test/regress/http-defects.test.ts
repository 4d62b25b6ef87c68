import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { mesosDnsConfig } from '../support/daemon-config.ts';
import { type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import {
  clusterState,
  discovery,
  framework,
  says,
  type ScriptedMaster,
  startMaster,
  statuses,
  task,
} from '../support/scripted-master.ts';

const SECRET = 'hunter2-correct-horse';

describe('the HTTP API', () => {
  const shared = new SuiteCleanup();
  let master: ScriptedMaster;
  let daemon: RunningDaemon;

  before(async () => {
    master = await startMaster(shared);
    const tasks = [
      task('multi', {
        discovery: discovery(
          'multiip',
          { number: 110, name: 'pop', protocol: 'tcp' },
          { number: 70_000, protocol: 'tcp' },
        ),
        statuses: statuses('9.1.2.1', '9.1.2.2', 'fd01:e::2'),
      }),
      task('twin', { id: 'twin.1', resources: {} }),
    ];
    // The second makes no record that the first has not made.
    const frameworks = [framework('marathon', tasks), framework('marathon', [tasks[1]!])];
    master.answer = says(clusterState(master, { frameworks }));
    const config = mesosDnsConfig({
      masters: [master.text],
      mesosAuthentication: 'basic',
      mesosCredentials: { principal: 'mesos-dns', secret: SECRET },
    });
    daemon = await startDaemon(shared, config);
  });
  after(() => shared.run());

  test('H01: the secret for the master is sent to the master and shown to nobody', async () => {
    const sent = Buffer.from(`mesos-dns:${SECRET}`).toString('base64');
    assert.equal(master.requests[0]?.headers.authorization, `Basic ${sent}`);
    const { MesosCredentials } = (await daemon.json('/v1/config')) as {
      MesosCredentials: { Principal: string; Secret: string };
    };
    assert.equal(MesosCredentials.Principal, 'mesos-dns');
    assert.match(MesosCredentials.Secret, /^\*+$/);
    for (const path of [
      '/v1/config',
      '/v1/status',
      '/metrics',
      '/v1/explain/multiip.marathon.mesos',
    ]) {
      const { status, body } = await daemon.http(path);
      assert.equal(status, 200);
      assert.ok(!body.includes(SECRET) && !body.includes(sent), path);
    }
    assert.doesNotMatch(JSON.stringify(daemon.logged), /hunter2/);
  });

  test('H02: a name of nothing but a star and dots is no name, and no crash', async () => {
    for (const name of ['.*', '*', '.', '..', '.*.*', '%00', '%2e']) {
      const hosts = await daemon.http(`/v1/hosts/${name}`);
      const found: unknown = JSON.parse(hosts.body);
      assert.deepEqual([hosts.status, found], [200, [{ host: '', ip: '' }]], name);
      const services = await daemon.http(`/v1/services/${name}`);
      assert.equal(services.status, 200, name);
      assert.doesNotMatch(services.body, /goroutine|at /);
    }
  });

  test('H03: nothing found is a list of one empty object on /v1/hosts and /v1/services', async () => {
    assert.deepEqual(await daemon.json('/v1/hosts/nothing.mesos'), [{ host: '', ip: '' }]);
    assert.deepEqual(await daemon.json('/v1/services/_nothing._tcp.mesos'), [
      { service: '', host: '', ip: '', port: '' },
    ]);
  });

  test('H04: HEAD is answered, OPTIONS and 405 say what is allowed', async () => {
    const head = await daemon.http('/v1/version', 'HEAD');
    assert.deepEqual([head.status, head.body], [200, '']);
    assert.ok(Number(head.headers['content-length']) > 0);
    const options = await daemon.http('/v1/version', 'OPTIONS');
    assert.deepEqual([options.status, options.headers.allow], [204, 'GET, HEAD, OPTIONS']);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const refused = await daemon.http('/v1/version', method);
      assert.deepEqual([refused.status, refused.headers.allow], [405, 'GET, HEAD, OPTIONS']);
    }
  });

  test('H05: a media range that holds JSON is accepted', async () => {
    const asked = async (accept: string): Promise<number> =>
      (await daemon.http('/v1/version', 'GET', { accept })).status;
    for (const accept of ['application/*', 'text/html, application/*;q=0.5', '*/*']) {
      assert.equal(await asked(accept), 200, accept);
    }
    assert.equal(await asked('text/html'), 406);
  });

  test('H06: health, readiness and metrics have routes', async () => {
    assert.equal((await daemon.http('/healthz')).status, 200);
    assert.deepEqual((await daemon.http('/readyz')).body, 'ready\n');
    const metrics = await daemon.http('/metrics');
    assert.equal(metrics.status, 200);
    assert.match(metrics.body, /^hoplite_ready 1$/m);
  });

  test('H07: lists without members are [], not null', async () => {
    const enumerated = (await daemon.json('/v1/enumerate')) as {
      frameworks: { name: string; tasks: { name: string; records: unknown[] }[] }[];
    };
    const [first, second] = enumerated.frameworks;
    assert.ok((first?.tasks[1]?.records.length ?? 0) > 0);
    assert.deepEqual(second?.tasks, [{ name: 'twin', id: 'twin.1', records: [] }]);
  });

  test('H07: a cluster without frameworks is enumerated as []', async (t) => {
    const empty = await startMaster(t);
    empty.answer = says(clusterState(empty));
    const alone = await startDaemon(t, mesosDnsConfig({ masters: [empty.text] }));
    assert.deepEqual(await alone.json('/v1/enumerate'), { frameworks: [] });
  });

  test('H11: a service lists every address of every target', async () => {
    const services = (await daemon.json('/v1/services/_multiip._tcp.marathon.mesos.')) as {
      service: string;
      host: string;
      ip: string;
      port: string;
    }[];
    assert.deepEqual(
      services.map(({ ip, port }) => [ip, port]),
      [
        ['9.1.2.1', '110'],
        ['9.1.2.2', '110'],
        ['fd01:e::2', '110'],
      ],
    );
    for (const { service, host } of services) {
      assert.equal(service, '_multiip._tcp.marathon.mesos.');
      assert.match(host, /^multiip-\w{5}-s0\.marathon\.mesos\.$/);
    }
  });

  test('H12: a port that is none is in no view', async () => {
    for (const path of ['/v1/services/_multiip._tcp.marathon.mesos', '/v1/axfr', '/v1/records']) {
      const { body } = await daemon.http(path);
      assert.match(body, /[:"]110"/);
      assert.doesNotMatch(body, /[:"](?:70000|4464)"/);
    }
  });
});
