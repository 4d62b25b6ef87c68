import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { CertificateFolder } from '../adapters/mesos/certificates.ts';
import type { Certificate } from '../adapters/mesos/certificates.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import { ANY_PORT, fetchText, serve, type ServingCli } from '../support/cli-process.ts';
import { dig } from '../support/dig.ts';
import { closedPair } from '../support/dns-peer.ts';
import { startSmallMaster } from '../support/e2e-master.ts';
import { startUnbound } from '../support/recursive-resolver.ts';
import { missingTools } from '../support/tools.ts';

const NAME = 'resolver.site.example';
const ADDRESS = '203.0.113.7';

const shared = new SuiteCleanup();
let certificate: Certificate;
let daemon: ServingCli;
/** Configuration of a daemon whose resolver must be what is said after `#`. */
let config: (identity: string) => unknown;
/** Where Unbound listens with TLS. */
let port: number;

async function startTlsResolver(): Promise<void> {
  ({ port } = await closedPair());
  await startUnbound(
    shared,
    `server:
  interface: 127.0.0.1@${port}
  tls-port: ${port}
  tls-service-key: "${certificate.keyFile}"
  tls-service-pem: "${certificate.certFile}"
  local-zone: "site.example." static
  local-data: "www.site.example. 60 A ${ADDRESS}"
`,
  );
}

async function start(): Promise<void> {
  const folder = new CertificateFolder();
  shared.after(() => folder.remove());
  const authority = folder.authority('authority');
  certificate = folder.signed('resolver', authority, `DNS:${NAME}`);
  await startTlsResolver();
  const master = await startSmallMaster(shared);
  config = (identity) => ({
    cluster: { masters: [master.text] },
    ...ANY_PORT,
    forward: {
      upstreams: ['127.0.0.1:9'],
      zones: { 'site.example': [`tls://127.0.0.1:${port}#${identity}`] },
    },
  });
  // The daemon inherits it.
  process.env['SSL_CERT_FILE'] = authority.certFile;
  daemon = await serve(shared, config(NAME));
  await daemon.ready();
}

function pinOf({ cert }: Certificate): string {
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

async function reconfigure(identity: string, reloadsBefore: number): Promise<void> {
  daemon.configure(config(identity));
  daemon.process.signal('SIGHUP');
  await daemon.process.logs('reloaded', reloadsBefore);
}

suite(
  'Unbound as an upstream over TLS',
  { skip: missingTools('unbound', 'dig', 'openssl') },
  () => {
    before(start);
    after(() => shared.run());

    test('resolves names if its certificate is for the name', async () => {
      const reply = await dig(daemon.dns, 'www.site.example');
      assert.equal(reply.status, 'NOERROR');
      assert.ok(reply.answer[0]?.endsWith(ADDRESS));
      const missing = await dig(daemon.dns, 'nobody.site.example');
      assert.equal(missing.status, 'NXDOMAIN');
      const { body } = await fetchText(`${daemon.url}/metrics`);
      assert.ok(body.includes(`hoplite_forward_requests_total{to="tls://127.0.0.1:${port}"`));
    });

    test('resolves names if its key is pinned, and none if another one is', async () => {
      await reconfigure(`pin-sha256=${pinOf(certificate)}`, 0);
      assert.equal((await dig(daemon.dns, 'www.site.example')).status, 'NOERROR');
      await reconfigure(`pin-sha256=${'A'.repeat(43)}=`, 1);
      assert.equal((await dig(daemon.dns, 'www.site.example')).status, 'SERVFAIL');
      const { to, advice } = await daemon.process.logs('upstream-untrusted');
      assert.equal(to, `tls://127.0.0.1:${port}`);
      assert.ok(String(advice).includes(`pin-sha256=${pinOf(certificate)}`));
    });
  },
);
