import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Finished, runProgram, scratchFolder } from '../support/cli-process.ts';
import { MANY, OUTSIDE } from '../support/e2e-master.ts';
import { missingNamespaces, type Namespace, openNamespace } from '../support/namespace.ts';
import { projectPath } from '../support/project.ts';
import { missingTools, toolPath } from '../support/tools.ts';

const PEERS = fileURLToPath(new URL('../support/e2e-master.js', import.meta.url));
const RESOLV_CONF = 'nameserver 127.0.0.1\n';

const shared = new SuiteCleanup();
let node: Namespace;

/** Distinct words at the start of lines: the addresses that a program printed, sorted. */
function addresses({ status, stdout, stderr }: Finished): string[] {
  assert.equal(status, 0, stdout + stderr);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return [...new Set(lines.map((line) => line.split(/\s/)[0] ?? ''))].sort();
}

suite('on a node whose resolv.conf names hoplite', { skip: missingNamespaces() }, () => {
  before(start);
  after(() => shared.run());

  const getent = (name: string): Promise<Finished> => node.run('getent', 'ahosts', name);

  test('glibc gets A and AAAA of one name', async () => {
    assert.deepEqual(addresses(await getent('dual.marathon.mesos')), ['9.0.1.5', 'fd00:9::5']);
  });

  test('glibc gets a name that has only A', async () => {
    assert.deepEqual(addresses(await getent('web.shop.marathon.mesos')), ['10.0.1.1', '10.0.1.2']);
  });

  test('glibc gets all addresses of a large service', async () => {
    assert.equal(addresses(await getent('many.marathon.mesos')).length, MANY);
  });

  test('glibc gets names outside the zone, and learns what does not exist', async () => {
    assert.deepEqual(addresses(await getent(OUTSIDE.name)), [OUTSIDE.v6, OUTSIDE.v4].sort());
    for (const name of ['nobody.marathon.mesos', 'nobody.example.test']) {
      assert.equal((await getent(name)).status, 2, 'getent finds nothing');
    }
  });

  test('a search domain completes short names, with and without dots', async () => {
    node.setResolvConf(`${RESOLV_CONF}search example.test marathon.mesos\n`);
    try {
      assert.deepEqual(addresses(await getent('dual')), ['9.0.1.5', 'fd00:9::5']);
      assert.deepEqual(addresses(await getent('web.shop')), ['10.0.1.1', '10.0.1.2']);
      assert.deepEqual(addresses(await getent('www')), [OUTSIDE.v6, OUTSIDE.v4].sort());
      node.setResolvConf(`${RESOLV_CONF}search marathon.mesos\noptions ndots:5\n`);
      assert.deepEqual(addresses(await getent(OUTSIDE.name)), [OUTSIDE.v6, OUTSIDE.v4].sort());
    } finally {
      node.setResolvConf(RESOLV_CONF);
    }
  });

  test('glibc with `edns0` and `rotate` gets the same', async () => {
    node.setResolvConf(`${RESOLV_CONF}${RESOLV_CONF}options edns0 rotate\n`);
    try {
      assert.deepEqual(addresses(await getent('dual.marathon.mesos')), ['9.0.1.5', 'fd00:9::5']);
      assert.equal(addresses(await getent('many.marathon.mesos')).length, MANY);
      assert.deepEqual(addresses(await getent(OUTSIDE.name)), [OUTSIDE.v6, OUTSIDE.v4].sort());
      assert.equal((await getent('nobody.marathon.mesos')).status, 2, 'getent finds nothing');
    } finally {
      node.setResolvConf(RESOLV_CONF);
    }
  });

  test('the lookup of Node gets both kinds of addresses', async () => {
    const script = `
      import { lookup } from 'node:dns/promises';
      const found = await lookup(process.argv[1], { all: true });
      for (const { address, family } of found) console.log(address, family);
    `;
    const args = ['--input-type=module', '--eval', script, 'dual.marathon.mesos'];
    const { status, stdout, stderr } = await node.run(process.execPath, ...args);
    assert.equal(status, 0, stderr);
    assert.deepEqual(stdout.trimEnd().split('\n').sort(), ['9.0.1.5 4', 'fd00:9::5 6']);
  });

  suite('musl', { skip: missingTools('musl-gcc', 'gcc') }, () => {
    let program = '';
    before(async () => {
      program = join(scratchFolder(shared), 'getaddrinfo');
      const source = projectPath('test/e2e/fixtures/getaddrinfo.c');
      const compiler = toolPath('musl-gcc') ?? 'musl-gcc';
      const compiled = await runProgram(compiler, ['-static', '-o', program, source]);
      assert.equal(compiled.status, 0, compiled.stderr);
    });

    // It gives the whole name up if the question for AAAA gets anything but NOERROR.
    test('resolves a name that has only A', async () => {
      const found = await node.run(program, 'web.shop.marathon.mesos');
      assert.deepEqual(addresses(found), ['10.0.1.1', '10.0.1.2']);
    });

    test('gets A and AAAA of one name', async () => {
      const found = await node.run(program, 'dual.marathon.mesos');
      assert.deepEqual(addresses(found), ['9.0.1.5', 'fd00:9::5']);
    });

    test('gets names outside the zone, and learns what does not exist', async () => {
      const found = await node.run(program, OUTSIDE.name);
      assert.deepEqual(addresses(found), [OUTSIDE.v6, OUTSIDE.v4].sort());
      const missing = await node.run(program, 'nobody.marathon.mesos');
      assert.deepEqual([missing.status, missing.stderr], [1, 'Name does not resolve\n']);
    });
  });
});

async function start(): Promise<void> {
  node = await openNamespace(shared);
  node.setResolvConf(RESOLV_CONF);
  const peers = node.startNode(PEERS);
  const line = await peers.prints('ports of the peers', () => /^\{.*\}\n/.exec(peers.stdout)?.[0]);
  const { master, upstream } = JSON.parse(line) as { master: string; upstream: string };
  const file = join(scratchFolder(shared), 'config.json');
  const config = {
    cluster: { masters: [master] },
    forward: { upstreams: [upstream] },
    kernel: { enabled: false },
  };
  writeFileSync(file, JSON.stringify(config));
  // With the default listeners: 127.0.0.1, DNS on port 53.
  await node.startCli('serve', '--config', file).logs('generation-published');
}
