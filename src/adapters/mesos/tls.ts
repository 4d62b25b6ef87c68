import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { ClusterConfig, Config, ConfigProblem, MasterTls } from '../../core/config/config.ts';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';
import { readCredentialFile } from './credential-file.ts';
import { fileSettings } from './file-settings.ts';
import type { FileSettings } from './file-settings.ts';

/** Loaded certificates and keys. */
export interface LoadedTls {
  /** What https connections verify with; the same object every time. */
  secureContext(): SecureContext;
}

/**
 * Where operating systems keep the certificates they trust: Debian and Alpine, Fedora and RHEL,
 * SUSE, then OpenSSL's own name for it, which macOS has. Node's built-in list is the last resort,
 * since a cluster's own authority is trusted by the system if by anyone.
 */
const SYSTEM_ROOTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

function systemRoots(): string | undefined {
  for (const path of [process.env['SSL_CERT_FILE'] ?? '', ...SYSTEM_ROOTS]) {
    if (path === '') continue;
    const text = readCredentialFile(path);
    if (text.ok) return text.value;
  }
  return undefined;
}

/** Collects what is wrong with the three files, each under the path of its setting. */
class TlsProblems {
  readonly all: ConfigProblem[] = [];
  readonly #settings: FileSettings;

  constructor(settings: FileSettings) {
    this.#settings = settings;
  }

  add(setting: keyof MasterTls, message: string): void {
    this.all.push({ severity: 'error', path: this.#settings[setting], message });
  }
}

function readPem(problems: TlsProblems, setting: keyof MasterTls, path: string): string | null {
  const text = readCredentialFile(path);
  if (text.ok) return text.value;
  problems.add(setting, `${path} cannot be used: ${text.error}`);
  return null;
}

function loadCertificates(
  problems: TlsProblems,
  setting: 'caFile' | 'certFile',
  path: string,
): { text: string; first: X509Certificate } | null {
  const text = readPem(problems, setting, path);
  if (text === null) return null;
  const blocks = text.match(CERTIFICATE) ?? [];
  try {
    const [first] = blocks.map((block) => new X509Certificate(block));
    if (first !== undefined) return { text, first };
    problems.add(setting, `${path} holds no certificate; expected PEM with BEGIN CERTIFICATE`);
  } catch {
    problems.add(setting, `${path} holds a certificate that cannot be read; expected PEM`);
  }
  return null;
}

function loadKey(problems: TlsProblems, path: string): string | null {
  const text = readPem(problems, 'keyFile', path);
  if (text === null) return null;
  try {
    createPrivateKey(text);
    return text;
  } catch {
    problems.add('keyFile', `${path} holds no usable private key; expected PEM, not encrypted`);
    return null;
  }
}

function loadClientCertificate(
  problems: TlsProblems,
  { certFile, keyFile }: MasterTls,
): { cert: string; key: string } | null {
  if (certFile !== null && keyFile === null) {
    problems.add('keyFile', 'is missing; a client certificate needs its key');
  }
  if (certFile === null && keyFile !== null) {
    problems.add('certFile', 'is missing; the key of a client certificate needs its certificate');
  }
  const cert = certFile === null ? null : loadCertificates(problems, 'certFile', certFile);
  const key = keyFile === null ? null : loadKey(problems, keyFile);
  if (cert === null || key === null) return null;
  if (!cert.first.checkPrivateKey(createPrivateKey(key))) {
    problems.add('keyFile', `${String(keyFile)} is not the key of the certificate in certFile`);
    return null;
  }
  return { cert: cert.text, key };
}

function lazyContext(make: () => SecureContext): LoadedTls {
  let context: SecureContext | null = null;
  return { secureContext: () => (context ??= make()) };
}

/**
 * Reads the files of the `tls` configuration and checks that each can be used and that they fit together;
 * all problems at once. Without `tls` (plain HTTP) the result verifies with the system's roots, for
 * a login endpoint or a redirect that is https.
 */
export function loadTls(
  { tls }: Pick<ClusterConfig, 'tls'>,
  format: Config['format'] = 'native',
): Result<LoadedTls, ConfigProblem[]> {
  const problems = new TlsProblems(fileSettings(format));
  const { caFile = null } = tls ?? {};
  const ca = caFile === null ? null : loadCertificates(problems, 'caFile', caFile);
  const client = tls === null ? null : loadClientCertificate(problems, tls);
  if (problems.all.length > 0) return err(problems.all);

  const loaded = lazyContext(() => {
    const roots = ca?.text ?? systemRoots();
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ...(roots === undefined ? {} : { ca: roots }),
      ...client,
    });
  });
  if (tls === null) return ok(loaded);
  try {
    loaded.secureContext();
  } catch {
    const setting = caFile === null ? 'certFile' : 'caFile';
    problems.add(setting, 'OpenSSL does not accept the certificates; expected PEM files');
    return err(problems.all);
  }
  return ok(loaded);
}
