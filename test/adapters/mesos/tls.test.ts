import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadTls } from '../../../src/adapters/mesos/tls.ts';
import type { MasterTls } from '../../../src/core/config/config.ts';
import { missingTools } from '../../support/tools.ts';
import { CertificateFolder } from './certificates.ts';
import type { Certificate } from './certificates.ts';
import {
  daemonError,
  lacksIpv6,
  NEVER,
  startClient,
  startMaster,
  startRawMaster,
  STATE,
  textOf,
} from './loopback-master.ts';

const SYSTEM: MasterTls = { caFile: null, certFile: null, keyFile: null };

function problemsOf(tls: Partial<MasterTls>, format?: 'mesos-dns'): string[] {
  const loaded = loadTls({ tls: { ...SYSTEM, ...tls } }, format);
  return loaded.ok ? [] : loaded.error.map(({ path, message }) => `${path}: ${message}`);
}

describe('https to the master', { skip: missingTools('openssl') }, () => {
  let folder: CertificateFolder;
  let authority: Certificate;
  let otherAuthority: Certificate;
  let server: Certificate;

  before(() => {
    folder = new CertificateFolder();
    authority = folder.authority('authority');
    otherAuthority = folder.authority('other-authority');
    server = folder.signed('server', authority, 'IP:127.0.0.1,IP:::1,DNS:localhost');
  });
  after(() => folder.remove());

  for (const host of ['127.0.0.1', '::1', 'localhost']) {
    const skip = host === '::1' ? lacksIpv6 : false;
    test(`a master at ${host} is accepted with caFile`, { skip }, async (t) => {
      const { cert, key } = server;
      const options = host === 'localhost' ? {} : { host };
      const master = await startMaster(t, (_request, response) => response.end(STATE), {
        tls: { cert, key },
        ...options,
      });
      const client = startClient(t, { tls: { ...SYSTEM, caFile: authority.certFile } });
      const state = await client.fetchState({ host, port: master.port }, NEVER);
      assert.equal(textOf(state), STATE);
    });
  }

  test('S13: without caFile an unknown authority is refused', async (t) => {
    const { cert, key } = server;
    const master = await startMaster(t, (_request, response) => response.end(STATE), {
      tls: { cert, key },
    });
    const refused = daemonError('master-unreachable', /: its certificate comes from an authority/);
    const client = startClient(t, { tls: SYSTEM });
    await assert.rejects(client.fetchState(master, NEVER), refused);
    t.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    await assert.rejects(client.fetchState(master, NEVER), refused);
    assert.equal(master.requests.length, 0);
  });

  test('S13: caFile takes the place of all other authorities', async (t) => {
    const { cert, key } = server;
    const master = await startMaster(t, (_request, response) => response.end(STATE), {
      tls: { cert, key },
    });
    const client = startClient(t, { tls: { ...SYSTEM, caFile: otherAuthority.certFile } });
    await assert.rejects(
      client.fetchState(master, NEVER),
      daemonError('master-unreachable', /: its certificate comes from an authority/),
    );
  });

  test('S13: authorities that the system trusts are trusted', async (t) => {
    const { cert, key } = server;
    const master = await startMaster(t, (_request, response) => response.end(STATE), {
      tls: { cert, key },
    });
    const previous = process.env['SSL_CERT_FILE'];
    t.after(() => {
      if (previous === undefined) delete process.env['SSL_CERT_FILE'];
      else process.env['SSL_CERT_FILE'] = previous;
    });
    process.env['SSL_CERT_FILE'] = authority.certFile;
    assert.equal(textOf(await startClient(t, { tls: SYSTEM }).fetchState(master, NEVER)), STATE);
  });

  const wrong: readonly (readonly [what: string, make: () => Certificate, says: RegExp])[] = [
    [
      'for another host',
      () => folder.signed('elsewhere', authority, 'IP:127.0.0.2,DNS:elsewhere'),
      /: its certificate is for another host name or address \(ERR_TLS_CERT_ALTNAME_INVALID\)$/,
    ],
    [
      'that has expired',
      () => folder.signed('expired', authority, 'IP:127.0.0.1', -1),
      /: its certificate has expired \(CERT_HAS_EXPIRED\)$/,
    ],
    ['signed by itself', () => folder.authority('self'), /: its certificate is self-signed/],
  ];
  for (const [what, make, says] of wrong) {
    test(`S13: a certificate ${what} is refused`, async (t) => {
      const { cert, key } = make();
      const master = await startMaster(t, (_request, response) => response.end(STATE), {
        tls: { cert, key },
      });
      const client = startClient(t, { tls: { ...SYSTEM, caFile: authority.certFile } });
      await assert.rejects(
        client.fetchState(master, NEVER),
        daemonError('master-unreachable', says),
      );
      assert.equal(master.requests.length, 0);
    });
  }

  test('a master that speaks plain HTTP is no https master', async (t) => {
    const master = await startMaster(t, (_request, response) => response.end(STATE));
    const client = startClient(t, { tls: SYSTEM });
    await assert.rejects(
      client.fetchState(master, NEVER),
      daemonError('master-unreachable', /: the TLS handshake failed/),
    );
  });

  test('TLS 1.1 is refused', async (t) => {
    const { cert, key } = server;
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const;
    const tls = { cert, key, ...old, ciphers: 'ALL:@SECLEVEL=0' };
    const master = await startMaster(t, (_request, response) => response.end(STATE), { tls });
    const client = startClient(t, { tls: { ...SYSTEM, caFile: authority.certFile } });
    await assert.rejects(client.fetchState(master, NEVER), daemonError('master-unreachable', /: /));
    assert.equal(master.requests.length, 0);
  });

  test('the client certificate is shown to a master that asks for one', async (t) => {
    const { cert, key } = server;
    const master = await startMaster(t, (_request, response) => response.end(STATE), {
      tls: { cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
    });
    const { certFile, keyFile } = folder.signed('client', authority, 'DNS:client');
    const { certFile: caFile } = authority;
    const shown = startClient(t, { tls: { caFile, certFile, keyFile } });
    assert.equal(textOf(await shown.fetchState(master, NEVER)), STATE);
    const silent = startClient(t, { tls: { ...SYSTEM, caFile } });
    await assert.rejects(silent.fetchState(master, NEVER), daemonError('master-unreachable', /: /));
  });

  test('a redirect from https to http is refused, and nothing is sent there', async (t) => {
    const { cert, key } = server;
    const leader = await startMaster(t, (_request, response) => response.end(STATE));
    const answer = { location: `http://127.0.0.1:${leader.port}/master/state` };
    const master = await startMaster(
      t,
      (_request, response) => response.writeHead(307, answer).end(),
      {
        tls: { cert, key },
      },
    );
    const client = startClient(t, { tls: { ...SYSTEM, caFile: authority.certFile } });
    await assert.rejects(
      client.fetchState(master, NEVER),
      daemonError('master-redirect', /redirect refused: it leads from https to http$/),
    );
    assert.equal(leader.requests.length, 0);
  });

  test('a scheme-relative redirect stays https', async (t) => {
    const { cert, key } = server;
    const tls = { cert, key };
    const leader = await startMaster(t, (_request, response) => response.end(STATE), { tls });
    const bytes = { location: `//localhost:${leader.port}` };
    const master = await startMaster(
      t,
      (_request, response) => response.writeHead(307, bytes).end(),
      { tls },
    );
    const client = startClient(t, { tls: { ...SYSTEM, caFile: authority.certFile } });
    const state = await client.fetchState(master, NEVER);
    assert.deepEqual(state.answeredBy, { host: 'localhost', port: leader.port });
  });

  test('a redirect from http to https is verified', async (t) => {
    const { cert, key } = server;
    const leader = await startMaster(t, (_request, response) => response.end(STATE), {
      tls: { cert, key },
    });
    const master = await startRawMaster(t, (socket) => {
      const location = `https://127.0.0.1:${leader.port}/master/state`;
      socket.end(`HTTP/1.1 307 Moved\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    });
    await assert.rejects(
      startClient(t).fetchState(master, NEVER),
      daemonError('master-unreachable', /: its certificate comes from an authority/),
    );
  });

  // What check-config says about the files

  test('good files have no problems', () => {
    const { certFile, keyFile } = server;
    assert.deepEqual(problemsOf({ caFile: authority.certFile, certFile, keyFile }), []);
    const bundle = folder.write('bundle.pem', authority.cert + '# and\n' + otherAuthority.cert);
    assert.deepEqual(problemsOf({ caFile: bundle }), []);
  });

  test('a client certificate needs its own key', () => {
    const { certFile, keyFile } = server;
    assert.deepEqual(problemsOf({ certFile, keyFile: authority.keyFile }), [
      `cluster.tls.keyFile: ${authority.keyFile} is not the key of the certificate in certFile`,
    ]);
    assert.deepEqual(problemsOf({ certFile }), [
      'cluster.tls.keyFile: is missing; a client certificate needs its key',
    ]);
    assert.deepEqual(problemsOf({ keyFile }), [
      'cluster.tls.certFile: is missing; the key of a client certificate needs its certificate',
    ]);
  });

  test('an encrypted key is a problem at start, not at the first request', () => {
    const keyFile = join(folder.path, 'encrypted.key');
    const pass = ['-aes128', '-passout', 'pass:secret', '-out', keyFile];
    execFileSync('openssl', ['ec', '-in', server.keyFile, ...pass], { stdio: 'pipe' });
    assert.deepEqual(problemsOf({ certFile: server.certFile, keyFile }), [
      `cluster.tls.keyFile: ${keyFile} holds no usable private key; expected PEM, not encrypted`,
    ]);
  });

  test('every problem is reported at once, in the words of the configuration file', () => {
    const caFile = folder.write('empty.pem', '');
    const certFile = join(folder.path, 'absent.pem');
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    const keyFile = folder.write('broken.key', broken);
    const says = [
      [`${caFile} holds no certificate; expected PEM with BEGIN CERTIFICATE`],
      [`${certFile} cannot be used: there is no such file`],
      [`${keyFile} holds no usable private key; expected PEM, not encrypted`],
    ];
    const tls = { caFile, certFile, keyFile };
    const native = ['cluster.tls.caFile', 'cluster.tls.certFile', 'cluster.tls.keyFile'];
    assert.deepEqual(
      problemsOf(tls),
      native.map((path, i) => `${path}: ${String(says[i])}`),
    );
    assert.deepEqual(
      problemsOf(tls, 'mesos-dns'),
      ['CACertFile', 'CertFile', 'KeyFile'].map((path, i) => `${path}: ${String(says[i])}`),
    );
    assert.deepEqual(problemsOf({ caFile: keyFile }), [
      `cluster.tls.caFile: ${keyFile} holds a certificate that cannot be read; expected PEM`,
    ]);
  });

  test('what is not a file of reasonable size is not read', () => {
    const pipe = join(folder.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const big = folder.write('big.pem', ' '.repeat(5_000_000));
    for (const [caFile, says] of [
      [pipe, 'it is not a file'],
      [folder.path, 'it is not a file'],
      ['/dev/zero', 'it is not a file'],
      [big, 'it has more than 4194304 bytes'],
      [`${big}/x`, 'its folder is not a folder'],
    ] as const) {
      assert.deepEqual(problemsOf({ caFile }), [
        `cluster.tls.caFile: ${caFile} cannot be used: ${says}`,
      ]);
    }
  });
});
