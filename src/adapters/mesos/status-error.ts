import type { Dispatcher } from 'undici';
import { DaemonError } from '../../core/base/daemon-error.ts';
import type { Credentials } from './authorization.ts';
import { printableExcerpt } from './exchange-failure.ts';
import { encodedBodyOf } from './encoded-body.ts';
import { beginningOfBody } from './state-body.ts';

/** Read of an error body; its first 100 characters are shown. */
const ERROR_BODY_BYTES = 1_024;

/** A secret counts as shown if this much of its beginning is. */
const SECRET_PREFIX_LENGTH = 8;

/** A server may echo the request; then its text must not get into messages. */
function holdsSecret(text: string, credentials: Credentials | null): boolean {
  const secrets = credentials?.secrets ?? [];
  return secrets.some((secret) => {
    const beginning = secret.slice(0, SECRET_PREFIX_LENGTH);
    return beginning !== '' && text.includes(beginning);
  });
}

/**
 * The error for a status that is neither 200 nor a redirect, with the beginning of the body:
 * `master-auth` for 401 and 403, else `master-status`. Uses the body up.
 */
export async function statusError(
  where: string,
  response: Dispatcher.ResponseData,
  credentials: Credentials | null,
): Promise<DaemonError> {
  const { statusCode } = response;
  const text = await beginningOfBody(encodedBodyOf(response), ERROR_BODY_BYTES);
  const excerpt = holdsSecret(text, credentials) ? '' : printableExcerpt(text);
  const said = `status ${statusCode}${excerpt === '' ? '' : `: ${excerpt}`}`;
  return statusCode === 401 || statusCode === 403
    ? new DaemonError('master-auth', `master ${where}: credentials refused: ${said}`)
    : new DaemonError('master-status', `master ${where}: ${said}`);
}
