import { hash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { systemErrorCode } from './listen-failure.ts';

/** Why there is no connection; `detail` says what to do, or is a system code, or ''. */
export interface ConnectionFailure {
  readonly failure: 'unreachable' | 'untrusted' | 'disconnected' | 'strays' | 'timeout';
  readonly detail: string;
}

/** Names in a certificate that a message shows: the server may say anything it likes. */
const SHOWN_NAMES_LENGTH_MAX = 120;

const UNKNOWN_AUTHORITY =
  'its certificate comes from an authority that this node does not know: add that to the certificates of the system, or pin the key';

/** Codes of OpenSSL and Node for certificates that prove nothing, with what to do. */
const ADVICE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED:
    'its certificate has expired: its operator must renew it, unless the clock of this node is wrong',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: check the clock of this node',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_UNTRUSTED: UNKNOWN_AUTHORITY,
};

/** Other codes of certificates begin like this (X509_V_ERR_* of OpenSSL). */
const CERTIFICATE_CODE = /^(?:CERT_|INVALID_|PATH_|ERROR_IN_CERT|CRL_|EE_|CA_|ERR_TLS_CERT)/;

/** What an error before the end of the handshake means. */
export function handshakeFailure(error: unknown, name: string | null): ConnectionFailure {
  const code = systemErrorCode(error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const detail = `its certificate is not for ${name ?? ''}${namesOf(error)}: correct the name in the configuration`;
    return { failure: 'untrusted', detail };
  }
  const advice = ADVICE[code];
  if (advice !== undefined) return { failure: 'untrusted', detail: advice };
  if (CERTIFICATE_CODE.test(code)) {
    return { failure: 'untrusted', detail: `its certificate is not valid: ${code}` };
  }
  if (code.startsWith('ERR_SSL_')) {
    const detail = `no TLS with it, ${code}: DNS over TLS is mostly on port 853`;
    return { failure: 'unreachable', detail };
  }
  return { failure: 'unreachable', detail: code };
}

/**
 * What is wrong with the key of a server, null if it is one of `pins`. The handshake has shown that
 * the server has this key; the certificates above it are not looked at, as nobody vouches for them.
 */
export function pinFailure(socket: TLSSocket, pins: readonly string[]): ConnectionFailure | null {
  if (pins.length === 0) return null;
  const certificate = socket.getPeerX509Certificate();
  const spki = certificate?.publicKey.export({ type: 'spki', format: 'der' });
  const pin = spki === undefined ? '' : hash('sha256', spki, 'base64');
  if (pins.includes(pin)) return null;
  const detail = `its key is none of the pinned ones but pin-sha256=${pin}: ask its operator whether the key was changed`;
  return { failure: 'untrusted', detail };
}

function namesOf(error: unknown): string {
  const cert: unknown = error instanceof Error && 'cert' in error ? error.cert : null;
  if (typeof cert !== 'object' || cert === null || !('subjectaltname' in cert)) return '';
  const names = String(cert.subjectaltname).replace(/[^ -~]/g, '?');
  return ` but for ${names.slice(0, SHOWN_NAMES_LENGTH_MAX)}`;
}
