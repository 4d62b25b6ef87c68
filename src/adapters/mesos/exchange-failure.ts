import { DaemonError } from '../../core/base/daemon-error.ts';

/** Longest piece of foreign text in one of our messages: enough to recognise it. */
const EXCERPT_LENGTH_MAX = 100;

/** What happened, by the code of Node, OpenSSL or undici. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed while sending',
  ETIMEDOUT: 'no connection in time',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ENOTFOUND: 'the host name does not exist',
  EAI_AGAIN: 'the host name lookup failed',
  UND_ERR_SOCKET: 'connection closed before the answer was complete',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'connection closed before the answer was complete',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the answer are too long',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed and not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an authority that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate comes from an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate comes from an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate comes from an authority that is not trusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name or address',
};

/** Foreign text for a message: printable ASCII on one line, at most 100 characters. */
export function printableExcerpt(text: string): string {
  const line = text.replace(/[^\x21-\x7e]+/g, ' ').trim();
  return line.length <= EXCERPT_LENGTH_MAX ? line : `${line.slice(0, EXCERPT_LENGTH_MAX)}...`;
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** undici's error for bytes that are not HTTP; it carries them, so it must not reach a log. */
function isParserError(error: unknown): boolean {
  return error instanceof Error && error.name === 'HTTPParserError';
}

/** Why an exchange over HTTP failed, as a phrase for an error message, with the code if any. */
export function failureReason(error: unknown): string {
  if (isParserError(error)) return 'the answer is not HTTP';
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  if (code === null) return printableExcerpt(text);
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) return `the TLS handshake failed (${code})`;
  return `${REASONS[code] ?? printableExcerpt(text)} (${code})`;
}

/**
 * The `DaemonError` for whatever an exchange with master `where` (host:port) ended with:
 * `master-unreachable`, or for one of ours the same code with the place in front.
 */
export function masterError(where: string, error: unknown): DaemonError {
  if (error instanceof DaemonError) {
    return new DaemonError(error.code, `master ${where}: ${error.message}`, { cause: error.cause });
  }
  const message = `master ${where}: ${failureReason(error)}`;
  return new DaemonError(
    'master-unreachable',
    message,
    isParserError(error) ? {} : { cause: error },
  );
}
