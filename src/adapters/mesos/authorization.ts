import type { Dispatcher } from 'undici';
import type { ClusterConfig, Config, ConfigProblem, MasterAuth } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import { ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';
import { fileSettings } from './file-settings.ts';
import { createIamLogin, loadServiceAccount } from './iam-login.ts';
import type { ServiceAccount } from './iam-login.ts';

/** What one request proves itself with. */
export interface Credentials {
  /** Value of the Authorization header. */
  readonly header: string;
  /** Texts that must not appear in a message. */
  readonly secrets: readonly string[];
}

/** How requests to the master are authorised. */
export interface Authorization {
  /** Credentials for the next request; null for none. Rejects with `master-auth`. */
  credentials(signal: AbortSignal): Promise<Credentials | null>;
  /** The master answered 401 to these. True if the next ones will be others. */
  renew(refused: Credentials): boolean;
}

/** Authorisation with the files it needs already read. */
export type LoadedAuth =
  Exclude<MasterAuth, { kind: 'iam' }> | { readonly kind: 'iam'; readonly account: ServiceAccount };

/** Reads the service account file of the `auth` configuration, if any; all problems at once. */
export function loadAuth(
  { auth }: Pick<ClusterConfig, 'auth'>,
  format: Config['format'] = 'native',
): Result<LoadedAuth, ConfigProblem[]> {
  if (auth.kind !== 'iam') return ok(auth);
  const account = loadServiceAccount(auth.configFile, fileSettings(format).serviceAccount);
  return account.ok ? ok({ kind: 'iam', account: account.value }) : account;
}

function fixed(credentials: Credentials | null): Authorization {
  return { credentials: () => Promise.resolve(credentials), renew: () => false };
}

/** RFC 7617: user and password as UTF-8. */
function basicCredentials(principal: string, secret: string): Credentials {
  const encoded = Buffer.from(`${principal}:${secret}`, 'utf8').toString('base64');
  return { header: `Basic ${encoded}`, secrets: [encoded, secret] };
}

/** What an IAM login needs besides the account. */
export interface AuthorizationOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly userAgent: string;
  readonly dispatcher: Dispatcher;
}

/** Authorisation of one kind; an IAM login goes through the given dispatcher. */
export function createAuthorization(
  auth: LoadedAuth,
  options: AuthorizationOptions,
): Authorization {
  if (auth.kind === 'none') return fixed(null);
  if (auth.kind === 'basic') return fixed(basicCredentials(auth.principal, auth.secret));
  const login = createIamLogin({ ...options, account: auth.account });
  return {
    credentials: async (signal) => {
      const token = await login.token(signal);
      return { header: `token=${token}`, secrets: [token] };
    },
    renew: ({ secrets }) => {
      for (const token of secrets) login.drop(token);
      return true;
    },
  };
}
