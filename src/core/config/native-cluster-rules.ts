import type { MarathonConfig, MasterAuth, MasterTls } from './config.ts';
import type { NativeValues } from './native-keys.ts';
import type { ProblemList } from './problem-list.ts';

/** The good values of a file, and which keys and sections it has, good or bad. */
interface NativeFile {
  readonly values: Partial<NativeValues>;
  readonly present: ReadonlySet<string>;
}

/** Sections that are authorised to the same rules. */
type Authorised = 'cluster' | 'cluster.marathon';

/** Somebody must say who leads: masters, or ZooKeeper. */
export function checkLeaderSource({ present }: NativeFile, problems: ProblemList): void {
  if (present.has('cluster.masters') || present.has('cluster.zookeeper')) return;
  const advice = 'list the masters, as in ["10.0.0.1:5050"], or set cluster.zookeeper';
  problems.error('cluster.masters', `is missing; ${advice}`);
}

/** Keys that each kind of authorisation needs; the others would have no effect. */
const AUTH_KEYS: Readonly<Record<MasterAuth['kind'], readonly string[]>> = {
  none: [],
  basic: ['principal', 'secret'],
  iam: ['configFile'],
};

/** The authorisation of a section; null only with a problem. */
export function readAuth(
  section: Authorised,
  { values, present }: NativeFile,
  problems: ProblemList,
): MasterAuth | null {
  const kind = values[`${section}.auth.kind`];
  if (kind === undefined) return null;
  const needed = AUTH_KEYS[kind];
  for (const key of ['principal', 'secret', 'configFile']) {
    const path = `${section}.auth.${key}`;
    const isThere = present.has(path);
    if (isThere && !needed.includes(key)) {
      problems.error(
        path,
        `means nothing with kind "${kind}"; change ${section}.auth.kind or remove it`,
      );
    } else if (!isThere && needed.includes(key)) {
      problems.error(path, `is missing; kind "${kind}" needs it`);
    }
  }
  if (kind === 'none') return { kind };
  if (kind === 'iam') {
    const configFile = values[`${section}.auth.configFile`];
    return configFile === undefined ? null : { kind, configFile };
  }
  const principal = values[`${section}.auth.principal`];
  const secret = values[`${section}.auth.secret`];
  if (principal === undefined || secret === undefined) return null;
  if (principal === '' && secret === '') {
    problems.error(`${section}.auth`, 'principal and secret are both empty; fill in at least one');
  }
  return { kind, principal, secret };
}

/** The HTTPS settings of a section; null: plain HTTP. */
export function readTls(
  section: Authorised,
  { values, present }: NativeFile,
  problems: ProblemList,
): MasterTls | null {
  if (!present.has(`${section}.tls`)) return null;
  const cert = `${section}.tls.certFile` as const;
  const key = `${section}.tls.keyFile` as const;
  if (present.has(cert) !== present.has(key)) {
    const missing = present.has(cert) ? key : cert;
    problems.error(missing, 'is missing; certFile and keyFile are given both or not at all');
  }
  return {
    caFile: values[`${section}.tls.caFile`] ?? null,
    certFile: values[cert] ?? null,
    keyFile: values[key] ?? null,
  };
}

/** The section about Marathon; null without one, or with a problem. */
export function readMarathon(file: NativeFile, problems: ProblemList): MarathonConfig | null {
  if (!file.present.has('cluster.marathon')) return null;
  const auth = readAuth('cluster.marathon', file, problems);
  const tls = readTls('cluster.marathon', file, problems);
  const path = 'cluster.marathon.instances';
  if (!file.present.has(path)) {
    problems.error(path, 'is missing; list the instances, as in ["10.0.0.1:8080"]');
  }
  const instances = file.values[path];
  const framework = file.values['cluster.marathon.framework'];
  if (instances === undefined || framework === undefined || auth === null) return null;
  return { instances, tls, auth, framework };
}
