import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, as files and as text. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A folder of freshly made certificates; needs the program openssl. */
export class CertificateFolder {
  readonly path: string = mkdtempSync(join(tmpdir(), 'hoplite-certificates-'));

  /** A certificate that signs itself and may sign others. */
  authority(name: string): Certificate {
    return this.#make(name, ['-addext', 'basicConstraints=critical,CA:TRUE']);
  }

  /** A certificate for `subjectAltName`, such as `IP:127.0.0.1,DNS:localhost`. */
  signed(name: string, by: Certificate, subjectAltName: string, days = 2): Certificate {
    const extensions = this.write(`${name}.ext`, `subjectAltName=${subjectAltName}\n`);
    const request = join(this.path, `${name}.csr`);
    const { certFile, keyFile } = this.#paths(name);
    this.#openssl('req', '-new', ...this.#newKey(name), '-out', request, '-subj', `/CN=${name}`);
    const signing = ['-CA', by.certFile, '-CAkey', by.keyFile, '-CAcreateserial'];
    const output = ['-out', certFile, '-days', String(days), '-extfile', extensions];
    this.#openssl('x509', '-req', '-in', request, ...signing, ...output);
    return { certFile, keyFile, ...this.#texts(name) };
  }

  /** Writes a file of the test's own and says where it is. */
  write(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }

  #make(name: string, extra: readonly string[]): Certificate {
    const { certFile, keyFile } = this.#paths(name);
    const subject = ['-out', certFile, '-days', '2', '-subj', `/CN=${name}`];
    this.#openssl('req', '-x509', ...this.#newKey(name), ...subject, ...extra);
    return { certFile, keyFile, ...this.#texts(name) };
  }

  #newKey(name: string): string[] {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    return [...curve, '-keyout', this.#paths(name).keyFile];
  }

  #paths(name: string): { certFile: string; keyFile: string } {
    return { certFile: join(this.path, `${name}.pem`), keyFile: join(this.path, `${name}.key`) };
  }

  #texts(name: string): { cert: string; key: string } {
    const { certFile, keyFile } = this.#paths(name);
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.path, stdio: 'pipe' });
  }
}
