import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { runProgram, scratchFolder, type ServingCli } from '../support/cli-process.ts';
import { dig, digText, kdig } from '../support/dig.ts';
import { OUTSIDE } from '../support/e2e-master.ts';
import { startSmallDaemon } from '../support/small-daemon.ts';
import { missingTools } from '../support/tools.ts';

const shared = new SuiteCleanup();
let daemon: ServingCli;

before(async () => {
  daemon = await startSmallDaemon(shared);
});
after(() => shared.run());

suite('dig', { skip: missingTools('dig') }, () => {
  test('+cookie: a cookie that we gave is good when it comes back', async () => {
    const name = 'web.shop.marathon.mesos';
    const first = await dig(daemon.dns, '+cookie', name);
    const cookie = /COOKIE: ([0-9a-f]{48}) \(good\)/.exec(first.opt.join('\n'))?.[1];
    assert.ok(cookie !== undefined, first.opt.join('\n'));
    const again = await dig(daemon.dns, `+cookie=${cookie}`, name);
    assert.match(again.opt.join('\n'), /COOKIE: [0-9a-f]{48} \(good\)/);
    assert.equal(again.status, 'NOERROR');
  });

  test('+nsid: says which node answered', async () => {
    const { text } = await digText(daemon.dns, '+nsid', 'web.shop.marathon.mesos');
    assert.match(text, /; NSID: (?:[0-9a-f]{2} )+/);
  });

  test('+tcp +keepalive: says how long the connection may be idle', async () => {
    const { text } = await digText(daemon.dns, '+tcp', '+keepalive', 'web.shop.marathon.mesos');
    assert.match(text, /; TCP.KEEPALIVE: 10\.0 secs/i);
  });

  // What systemd-resolved sends as a stub: DO, a large buffer, and the same over TCP.
  for (const transport of ['+notcp', '+tcp']) {
    test(`as systemd-resolved asks, ${transport}`, async () => {
      const options = ['+dnssec', '+bufsize=65494', '+nocookie', transport];
      const own = await dig(daemon.dns, ...options, 'web.shop.marathon.mesos');
      assert.deepEqual([own.status, own.answer.length], ['NOERROR', 2]);
      const outside = await dig(daemon.dns, ...options, OUTSIDE.name);
      assert.deepEqual([outside.status, outside.answer.length], ['NOERROR', 1]);
      assert.deepEqual(
        await dig(daemon.dns, ...options, OUTSIDE.name).then(({ flags }) => flags),
        'qr rd ra',
      );
    });
  }
});

test('kdig: several questions over one connection', { skip: missingTools('kdig') }, async () => {
  const names = ['web.shop.marathon.mesos', OUTSIDE.name, 'dual.marathon.mesos'];
  const replies = await kdig(daemon.dns, '+tcp', '+keepopen', ...names);
  assert.deepEqual(
    replies.map(({ status, answer }) => [status, answer.length > 0]),
    names.map(() => ['NOERROR', true]),
  );
});

for (const mode of ['udp', 'tcp']) {
  test(
    `dnsperf over ${mode}: every query is answered`,
    { skip: missingTools('dnsperf') },
    async () => {
      const file = join(scratchFolder(shared), 'queries');
      writeFileSync(
        file,
        `web.shop.marathon.mesos A\n_web.shop._tcp.marathon.mesos SRV\n${OUTSIDE.name} A\n` +
          'nobody.marathon.mesos A\nweb.shop.marathon.mesos AAAA\n',
      );
      const { address, port } = daemon.dns;
      // By number of queries, not by time: 4,000 rounds of the file, from 4 clients.
      const options = ['-s', address, '-p', String(port), '-m', mode, '-d', file, '-n', '4000'];
      const { status, stdout, stderr } = await runProgram('dnsperf', [
        ...options,
        '-c',
        '4',
        '-q',
        '50',
      ]);
      assert.equal(status, 0, stderr);
      assert.match(stdout, /Queries lost:\s+0 /);
      assert.match(
        stdout,
        /Response codes:\s+NOERROR 16000 \(80\.00%\), NXDOMAIN 4000 \(20\.00%\)/,
      );
    },
  );
}
