import { createPrivateKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../core/ports.ts';
import type { ConfigProblem } from '../../core/config/config.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import { asObject } from '../../core/base/json.ts';
import type { JsonObject } from '../../core/base/json.ts';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';
import { readCredentialFile } from './credential-file.ts';
import { untilAborted, withDeadline } from './deadline.ts';
import { failureReason } from './exchange-failure.ts';
import { originOf, parseHttpUrl } from './master-url.ts';
import type { MasterUrl } from './master-url.ts';
import { beginningOfBody, discardBody } from './state-body.ts';
import { encodedBodyOf } from './encoded-body.ts';

/** A DC/OS service account: who we are, the key that proves it, where to show it. */
export interface ServiceAccount {
  readonly uid: string;
  readonly privateKey: KeyObject;
  readonly loginUrl: MasterUrl;
}

/** Life of the proof we sign: covers a clock that is some minutes off. */
const PROOF_LIFE_SECONDS = 300;

/** A login answer holds one token of a few KB. */
const LOGIN_BYTES_MAX = 65_536;

/** How long a token is used that does not say when it expires. */
const OPAQUE_TOKEN_LIFE_MS = 600_000;

/** A token is replaced this long before it expires, or at 90 % of its life if that is earlier. */
const EXPIRY_MARGIN_MS = 60_000;

function rsaKey(pem: string): KeyObject | null {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === 'rsa' ? key : null;
  } catch {
    return null;
  }
}

function parseJsonObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    // The error is dropped on purpose: V8 quotes the text, which holds a key or a token.
    return null;
  }
}

/**
 * Reads a service account file, JSON `{uid, private_key, login_endpoint}`. Lists everything that is
 * wrong with it, under the path `setting`; no message holds a piece of the key.
 */
export function loadServiceAccount(
  path: string,
  setting: string,
): Result<ServiceAccount, ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  const problem = (message: string): void => {
    problems.push({ severity: 'error', path: setting, message: `${path}: ${message}` });
  };
  const text = readCredentialFile(path);
  if (!text.ok) {
    problem(`cannot be used: ${text.error}`);
    return err(problems);
  }
  const account = parseJsonObject(text.value);
  if (account === null) {
    problem('expected a JSON object with uid, private_key and login_endpoint');
    return err(problems);
  }
  const member = (name: string): string | null => {
    const value = account[name];
    if (typeof value === 'string' && value !== '') return value;
    problem(`${name} is ${value === undefined ? 'missing' : 'not a text, or empty'}`);
    return null;
  };
  const uid = member('uid');
  const pem = member('private_key');
  const endpoint = member('login_endpoint');
  const privateKey = pem === null ? null : rsaKey(pem);
  if (pem !== null && privateKey === null) {
    problem('private_key is not usable; expected an RSA key as PEM, not encrypted');
  }
  const loginUrl = endpoint === null ? null : parseHttpUrl(endpoint);
  if (loginUrl?.ok === false) problem(`login_endpoint is not usable: ${loginUrl.error}`);
  if (uid === null || privateKey === null || loginUrl?.ok !== true) return err(problems);
  return ok({ uid, privateKey, loginUrl: loginUrl.value });
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The JWT that proves who we are (RFC 7519, RS256 of RFC 7518 §3.3). */
function signProof({ uid, privateKey }: ServiceAccount, nowMs: number): string {
  const exp = Math.floor(nowMs / 1000) + PROOF_LIFE_SECONDS;
  const signed = `${base64url({ alg: 'RS256', typ: 'JWT' })}.${base64url({ uid, exp })}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
}

/** How long to use a token: by its own `exp` if it is a JWT. Its signature is the master's affair. */
function usableMs(token: string, nowMs: number): number {
  const payload = token.split('.')[1] ?? '';
  const claims = parseJsonObject(Buffer.from(payload, 'base64url').toString('utf8'));
  const exp = claims?.['exp'];
  if (typeof exp !== 'number') return OPAQUE_TOKEN_LIFE_MS;
  const lifeMs = exp * 1000 - nowMs;
  // Half of a life that is short: a margin longer than it would mean a login for every request.
  return Math.min(lifeMs * 0.9, Math.max(lifeMs * 0.5, lifeMs - EXPIRY_MARGIN_MS));
}

/** Who logs in, through what, and how long that may take. */
export interface IamLoginOptions {
  readonly account: ServiceAccount;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly userAgent: string;
  readonly dispatcher: Dispatcher;
}

/** Tokens for requests to the master; one login serves them all until the token gets old. */
export interface IamLogin {
  /** A token that is still good. Rejects with `master-auth`; never says what the token is. */
  token(signal: AbortSignal): Promise<string>;
  /** The master refused this token: the next `token()` logs in again. */
  drop(token: string): void;
}

function loginFailed(url: MasterUrl, what: string): DaemonError {
  return new DaemonError('master-auth', `login at ${formatHostPort(url)}: ${what}`);
}

async function postLogin(options: IamLoginOptions, signal: AbortSignal): Promise<string> {
  const { account, clock, dispatcher, userAgent } = options;
  const url = account.loginUrl;
  let response: Dispatcher.ResponseData;
  try {
    response = await dispatcher.request({
      origin: originOf(url),
      path: url.path,
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        'user-agent': userAgent,
      },
      body: JSON.stringify({ uid: account.uid, token: signProof(account, clock.now()) }),
      signal,
    });
  } catch (error) {
    throw loginFailed(url, failureReason(error));
  }
  if (response.statusCode !== 200) {
    discardBody(response.body);
    throw loginFailed(url, `status ${response.statusCode}, expected 200`);
  }
  const text = await beginningOfBody(encodedBodyOf(response), LOGIN_BYTES_MAX + 1);
  if (text.length > LOGIN_BYTES_MAX) throw loginFailed(url, 'the answer is too long');
  const token = parseJsonObject(text)?.['token'];
  // Visible ASCII only: the token goes into a header.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw loginFailed(url, 'the answer holds no token');
  }
  return token;
}

interface SharedLogin {
  readonly controller: AbortController;
  readonly token: Promise<string>;
  waiting: number;
}

/** Logs in when a token is needed, once for all who ask meanwhile, and remembers the token. */
export function createIamLogin(options: IamLoginOptions): IamLogin {
  const { clock, timeoutMs } = options;
  let cached: { readonly token: string; readonly usableUntil: number } | null = null;
  let underWay: SharedLogin | null = null;

  async function login(signal: AbortSignal): Promise<string> {
    const token = await postLogin(options, signal);
    // The monotonic clock counts the age: a step of the wall clock must not prolong it.
    cached = { token, usableUntil: clock.monotonic() + usableMs(token, clock.now()) };
    return token;
  }

  function timeoutError(): DaemonError {
    const where = formatHostPort(options.account.loginUrl);
    return new DaemonError('master-timeout', `login at ${where}: no answer in ${timeoutMs} ms`);
  }

  function startLogin(): SharedLogin {
    const controller = new AbortController();
    const limits = { clock, timeoutMs, timeoutError, signals: [controller.signal] };
    const token = withDeadline(limits, login).finally(() => {
      if (underWay === started) underWay = null;
    });
    const started: SharedLogin = { controller, token, waiting: 0 };
    return started;
  }

  return {
    token: async (signal) => {
      if (cached !== null && clock.monotonic() < cached.usableUntil) return cached.token;
      const shared = (underWay ??= startLogin());
      shared.waiting += 1;
      try {
        return await untilAborted(signal, shared.token);
      } finally {
        shared.waiting -= 1;
        if (shared.waiting === 0) {
          if (underWay === shared) underWay = null;
          shared.controller.abort();
        }
      }
    },
    drop: (token) => {
      if (cached?.token === token) cached = null;
    },
  };
}
