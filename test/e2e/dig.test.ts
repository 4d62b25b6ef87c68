import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import type { SocketAddress } from '../../src/core/config/config.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import { ANY_PORT, runProgram, serve, type ServingCli } from '../support/cli-process.ts';
import { dig, digText, kdig } from '../support/dig.ts';
import { MANY, OUTSIDE, startResolver, startSmallMaster } from '../support/e2e-master.ts';
import { missingTools } from '../support/tools.ts';

const shared = new SuiteCleanup();
let daemon: ServingCli;
let server: SocketAddress;

const SOA = /^mesos\. (\d+) IN SOA ns1\.mesos\. root\.ns1\.mesos\. \d+ 60 600 86400 (\d+)$/;

/** TTL and minimum of the SOA record of a negative answer; fails if it is not the only record. */
function negativeTtl({ answer, authority }: Awaited<ReturnType<typeof dig>>): number[] {
  assert.deepEqual(answer, []);
  assert.equal(authority.length, 1);
  const [, ttl, minimum] = SOA.exec(authority[0] ?? '') ?? [];
  return [Number(ttl), Number(minimum)];
}

suite('dig', { skip: missingTools('dig') }, () => {
  before(start);
  after(() => shared.run());

  test('A: all addresses, authoritative, the recursion bit as the client set it', async () => {
    const reply = await dig(server, 'web.shop.marathon.mesos');
    assert.equal(reply.status, 'NOERROR');
    assert.equal(reply.flags, 'qr aa rd ra');
    assert.deepEqual([...reply.answer].sort(), [
      'web.shop.marathon.mesos. 60 IN A 10.0.1.1',
      'web.shop.marathon.mesos. 60 IN A 10.0.1.2',
    ]);
    const norecurse = await dig(server, '+norecurse', 'web.shop.marathon.mesos');
    assert.equal(norecurse.flags, 'qr aa ra');
    assert.equal(norecurse.answer.length, 2);
  });

  test('AAAA of a task with both kinds of addresses', async () => {
    const reply = await dig(server, 'dual.marathon.mesos', 'AAAA');
    assert.deepEqual(reply.answer, ['dual.marathon.mesos. 60 IN AAAA fd00:9::5']);
  });

  test('SRV with the addresses of its targets, both kinds', async () => {
    const web = await dig(server, '_web.shop._tcp.marathon.mesos', 'SRV');
    assert.deepEqual([...web.answer].sort(), [
      '_web.shop._tcp.marathon.mesos. 60 IN SRV 0 1 31001 web.shop-i74gz-s0.marathon.mesos.',
      '_web.shop._tcp.marathon.mesos. 60 IN SRV 0 1 31002 web.shop-t4ba4-s1.marathon.mesos.',
    ]);
    assert.deepEqual([...web.additional].sort(), [
      'web.shop-i74gz-s0.marathon.mesos. 60 IN A 10.0.1.1',
      'web.shop-t4ba4-s1.marathon.mesos. 60 IN A 10.0.1.2',
    ]);
    const sql = await dig(server, '_sql._dual._tcp.marathon.mesos', 'SRV');
    assert.deepEqual([...sql.additional].sort(), [
      'dual-hmikp-s0.marathon.mesos. 60 IN A 9.0.1.5',
      'dual-hmikp-s0.marathon.mesos. 60 IN AAAA fd00:9::5',
    ]);
  });

  test('NXDOMAIN brings the SOA of the zone, whose TTL is that of the absence', async () => {
    const reply = await dig(server, 'nobody.marathon.mesos');
    assert.equal(reply.status, 'NXDOMAIN');
    assert.match(reply.flags, /\baa\b/);
    assert.deepEqual(negativeTtl(reply), [30, 30]);
  });

  for (const [what, ...question] of [
    ['a name that has only other types', 'web.shop.marathon.mesos', 'AAAA'],
    ['a type that nobody knows', 'web.shop.marathon.mesos', 'TYPE65281'],
    ['a name that only has names below it', '_tcp.marathon.mesos', 'A'],
  ] as const) {
    test(`NODATA for ${what}`, async () => {
      const reply = await dig(server, ...question);
      assert.equal(reply.status, 'NOERROR');
      assert.deepEqual(negativeTtl(reply), [30, 30]);
    });
  }

  test('SOA and NS of the zone are answers, the name server with its address', async () => {
    const soa = await dig(server, 'mesos', 'SOA');
    assert.equal(soa.answer.length, 1);
    assert.match(soa.answer[0] ?? '', SOA);
    const ns = await dig(server, 'mesos', 'NS');
    assert.deepEqual(ns.answer, ['mesos. 60 IN NS ns1.mesos.']);
    assert.deepEqual(ns.additional, ['ns1.mesos. 60 IN A 127.0.0.1']);
  });

  test('a VIP has A, SRV with its address, and PTR, below both domains', async () => {
    for (const domain of ['mesos', 'thisdcos.directory']) {
      const name = `shopweb.marathon.l4lb.${domain}`;
      const vip = await dig(server, name);
      assert.equal(vip.flags, 'qr aa rd ra');
      assert.deepEqual(vip.answer, [`${name}. 60 IN A 10.221.135.244`]);
      const service = await dig(server, `_shopweb._tcp.marathon.l4lb.${domain}`, 'SRV');
      assert.deepEqual(service.answer, [
        `_shopweb._tcp.marathon.l4lb.${domain}. 60 IN SRV 0 1 80 ${name}.`,
      ]);
      assert.deepEqual(service.additional, vip.answer);
    }
    const reverse = await dig(server, '-x', '10.221.135.244');
    assert.match(reverse.flags, /\baa\b/);
    assert.deepEqual(reverse.answer, [
      '244.135.221.10.in-addr.arpa. 60 IN PTR shopweb.marathon.l4lb.mesos.',
    ]);
  });

  for (const [name, apex] of [
    ['nobody.marathon.l4lb.thisdcos.directory', 'l4lb.thisdcos.directory'],
    ['nobody.marathon.agentip.dcos.thisdcos.directory', 'dcos.thisdcos.directory'],
    ['1.135.221.10.in-addr.arpa', '221.10.in-addr.arpa'],
  ] as const) {
    test(`${apex} is a zone of its own, which says that ${name} does not exist`, async () => {
      const { status, flags, authority } = await dig(server, name, 'ANY', '+notcp');
      assert.deepEqual([status, /\baa\b/.test(flags)], ['NXDOMAIN', true]);
      assert.match(authority[0] ?? '', new RegExp(`^${apex}. 30 IN SOA `.replaceAll('.', '\\.')));
    });
  }

  test('the rest of an alias domain, and reverse names of public addresses, are forwarded', async () => {
    for (const name of ['www.thisdcos.directory', '1.1.1.1.in-addr.arpa']) {
      const { status, flags } = await dig(server, name);
      assert.deepEqual([status, /\baa\b/.test(flags)], ['NXDOMAIN', false]);
    }
  });

  test('reverse names of private addresses outside the pool are no upstream’s matter', async () => {
    const { status, flags, authority } = await dig(server, '1.0.0.10.in-addr.arpa', 'PTR');
    assert.deepEqual([status, /\baa\b/.test(flags)], ['NXDOMAIN', true]);
    assert.match(authority[0] ?? '', /^10\.in-addr\.arpa\. \d+ IN SOA /);
  });

  test('A11: an address of a task has the name of the task, one of its agent has none', async () => {
    for (const [address, owner] of [
      ['9.0.1.5', '5.1.0.9.in-addr.arpa.'],
      ['fd00:9::5', `5.0.0.0.${'0.'.repeat(20)}9.0.0.0.0.0.d.f.ip6.arpa.`],
    ] as const) {
      const { status, flags, answer, authority } = await dig(server, '-x', address);
      assert.deepEqual([status, flags], ['NOERROR', 'qr aa rd ra']);
      assert.deepEqual(answer, [`${owner} 60 IN PTR dual-hmikp-s0.marathon.mesos.`]);
      assert.deepEqual(authority, []);
    }
    const other = await dig(server, '5.1.0.9.in-addr.arpa', 'TXT');
    assert.deepEqual([other.status, other.answer, other.authority], ['NOERROR', [], []]);
    const agent = await dig(server, '-x', '10.0.1.1');
    assert.equal(agent.status, 'NXDOMAIN');
  });

  test('a reverse name beside that of a task is forwarded', async () => {
    for (const name of ['6.1.0.9.in-addr.arpa', '1.0.9.in-addr.arpa']) {
      const { status, flags } = await dig(server, name, 'PTR');
      assert.deepEqual([status, /\baa\b/.test(flags)], ['NXDOMAIN', false]);
    }
  });

  test('location names of a task tell its agent and its own addresses', async () => {
    for (const [location, address] of [
      ['agentip', '10.0.1.1'],
      ['containerip', '9.0.1.5'],
      ['autoip', '9.0.1.5'],
    ] as const) {
      for (const domain of ['mesos', 'thisdcos.directory']) {
        const name = `dual.marathon.${location}.dcos.${domain}`;
        assert.deepEqual((await dig(server, name)).answer, [`${name}. 60 IN A ${address}`]);
      }
    }
  });

  test('the question comes back in the case of its letters, and the owner with it', async () => {
    const reply = await dig(server, 'WeB.sHoP.maraTHON.Mesos');
    assert.equal(reply.question, 'WeB.sHoP.maraTHON.Mesos. IN A');
    for (const record of reply.answer) assert.match(record, /^WeB\.sHoP\.maraTHON\.Mesos\. 60 /);
  });

  test('+tcp gives the same answer as UDP', async () => {
    const overTcp = await dig(server, '+tcp', '+nocookie', '_sql._dual._tcp.marathon.mesos', 'SRV');
    const overUdp = await dig(server, '+nocookie', '_sql._dual._tcp.marathon.mesos', 'SRV');
    assert.deepEqual([overTcp.overTcp, overUdp.overTcp], [true, false]);
    assert.deepEqual({ ...overTcp, overTcp: false }, overUdp);
  });

  test('an answer too large for UDP is cut to the size, and whole over TCP', async () => {
    for (const [bufsize, limit] of [
      ['+noedns', 512],
      ['+bufsize=512', 512],
      ['+bufsize=4096', 1232],
    ] as const) {
      const cut = await dig(server, '+ignore', bufsize, 'many.marathon.mesos');
      assert.match(cut.flags, /\btc\b/);
      assert.ok(cut.bytes <= limit && cut.bytes > limit - 60, `${cut.bytes} octets`);
      assert.ok(cut.answer.length > 0, 'what fits is there');
    }
    // dig asks again over TCP by itself.
    const whole = await dig(server, 'many.marathon.mesos');
    assert.equal(whole.overTcp, true);
    assert.doesNotMatch(whole.flags, /\btc\b/);
    assert.equal(new Set(whole.answer).size, MANY);
  });

  for (const option of ['+subnet=192.0.2.0/24', '+ednsopt=65001:c0ffee']) {
    test(`${option} changes nothing and is not sent back`, async () => {
      const reply = await dig(server, '+nocookie', option, 'dual.marathon.mesos');
      assert.deepEqual(reply.answer, ['dual.marathon.mesos. 60 IN A 9.0.1.5']);
      assert.deepEqual(reply.opt, ['; EDNS: version: 0, flags:; udp: 1232']);
    });
  }

  test('+dnssec gets its DO bit back and no signatures', async () => {
    const reply = await dig(server, '+nocookie', '+dnssec', 'dual.marathon.mesos');
    assert.deepEqual(reply.opt, ['; EDNS: version: 0, flags: do; udp: 1232']);
    assert.deepEqual(reply.answer, ['dual.marathon.mesos. 60 IN A 9.0.1.5']);
  });

  test('a later version of EDNS gets BADVERS, and dig then falls back', async () => {
    const strict = await dig(server, '+edns=1', '+noednsnegotiation', 'dual.marathon.mesos');
    assert.equal(strict.status, 'BADVERS');
    const lenient = await dig(server, '+edns=1', '+ednsnegotiation', 'dual.marathon.mesos');
    assert.equal(lenient.status, 'NOERROR');
  });

  test('ANY gets one RRset, over either transport', async () => {
    for (const transport of ['+notcp', '+tcp']) {
      const reply = await dig(server, transport, 'dual.marathon.mesos', 'ANY');
      assert.deepEqual(reply.answer, ['dual.marathon.mesos. 60 IN A 9.0.1.5']);
    }
  });

  test('dig gets no zone transfer', async () => {
    assert.match((await digText(server, 'mesos', 'AXFR')).text, /Transfer failed/);
  });

  test('kdig is told that transfers are refused', { skip: missingTools('kdig') }, async () => {
    for (const transfer of [
      ['-t', 'AXFR'],
      ['-t', 'IXFR=1'],
      ['+notcp', '-t', 'AXFR'],
    ]) {
      const args = [`@${server.address}`, '-p', String(server.port), ...transfer, 'mesos'];
      const { status, stderr } = await runProgram('kdig', args);
      assert.equal(status, 1);
      assert.match(stderr, /server replied with error 'REFUSED'/);
    }
  });

  test('questions about the server itself are refused', async () => {
    for (const name of ['version.bind', 'id.server', 'hostname.bind']) {
      assert.equal((await dig(server, 'CH', 'TXT', name)).status, 'REFUSED');
    }
  });

  test('a name outside the zone is forwarded, and the answer is not ours', async () => {
    const reply = await dig(server, '+dnssec', OUTSIDE.name);
    assert.deepEqual(reply.answer, [`${OUTSIDE.name}. 300 IN A ${OUTSIDE.v4}`]);
    assert.doesNotMatch(reply.flags, /\baa\b/);
    assert.equal((await dig(server, 'nobody.example.test')).status, 'NXDOMAIN');
    assert.equal((await dig(server, '+tcp', OUTSIDE.name)).answer.length, 1);
  });

  test('kdig gets every kind of answer too', { skip: missingTools('kdig') }, async () => {
    const [srv, missing, wide] = await kdig(
      server,
      ...['-q', '_sql._dual._tcp.marathon.mesos', '-t', 'SRV', '+edns'],
      ...['-q', 'nobody.mesos', '-t', 'A'],
      ...['-q', 'many.marathon.mesos', '-t', 'A'],
    );
    assert.ok(srv !== undefined && missing !== undefined && wide !== undefined);
    assert.equal(srv.flags, 'qr aa rd ra');
    assert.equal(srv.additional.length, 2);
    assert.match(srv.opt.join(), /Version: 0; flags: ; UDP size: 1232 B/);
    assert.deepEqual(negativeTtl(missing), [30, 30]);
    assert.equal(wide.overTcp, true);
    assert.equal(new Set(wide.answer).size, MANY);
  });

  test(
    'kdig keeps one connection open for all its queries',
    { skip: missingTools('kdig') },
    async (t) => {
      let connections = 0;
      const proxy = createServer((client) => {
        connections++;
        const upstream = connect(server.port, server.address);
        for (const socket of [client, upstream]) socket.on('error', () => undefined);
        client.pipe(upstream).pipe(client);
      });
      proxy.listen(0, '127.0.0.1');
      t.after(() => void proxy.close());
      await once(proxy, 'listening');
      const { port } = proxy.address() as AddressInfo;
      const names = ['web.shop.marathon.mesos', OUTSIDE.name, 'dual.marathon.mesos'];
      const replies = await kdig({ address: '127.0.0.1', port }, '+tcp', '+keepopen', ...names);
      assert.deepEqual(
        replies.map(({ answer }) => answer.length),
        [2, 1, 1],
      );
      assert.equal(connections, 1);
    },
  );

  for (const mode of ['+nodnssec', '+noroot']) {
    test(`delv ${mode} gets the unsigned answer`, { skip: missingTools('delv') }, async () => {
      const { status, stdout, stderr } = await runProgram('delv', [
        ...[`@${server.address}`, '-p', String(server.port), '-i', mode],
        ...['_sql._dual._tcp.marathon.mesos', 'SRV'],
      ]);
      assert.equal(status, 0, stderr);
      const [, record = ''] = stdout.split('\n');
      assert.equal(
        record.replace(/\s+/g, ' '),
        '_sql._dual._tcp.marathon.mesos. 60 IN SRV 0 1 5432 dual-hmikp-s0.marathon.mesos.',
      );
      assert.doesNotMatch(stdout, /RRSIG|fully validated/);
    });
  }
});

async function start(): Promise<void> {
  const master = await startSmallMaster(shared);
  const upstream = await startResolver(shared);
  daemon = await serve(shared, {
    cluster: { masters: [master.text] },
    ...ANY_PORT,
    dns: { ...ANY_PORT.dns, ttlSeconds: 60, negativeTtlSeconds: 30 },
    forward: { upstreams: [upstream.text] },
  });
  await daemon.ready();
  server = daemon.dns;
}
