import { foldKey, goBool, goCredentials, goInt, goInt32, goString } from './go-type.ts';
import { goStrings, goStringsByName, goUint16, goUint32 } from './go-type.ts';
import type { GoCredentials, GoType } from './go-type.ts';
import type { JsonNode, JsonObject } from './json-text.ts';
import { nearestKey } from './nearest-key.ts';
import { memberPath } from './problem-list.ts';
import type { ProblemList } from './problem-list.ts';

/** A Mesos-DNS `config.json` as its program holds it after decoding (records/config.go). */
export interface MesosDnsFile {
  readonly zk: string;
  readonly masters: readonly string[];
  readonly refreshSeconds: number;
  readonly stateTimeoutSeconds: number;
  readonly zkDetectionTimeout: number;
  readonly ttl: number;
  readonly domain: string;
  readonly port: number;
  readonly listener: string;
  readonly HTTPListener: string;
  readonly httpport: number;
  readonly dnson: boolean;
  readonly httpon: boolean;
  readonly externalon: boolean;
  readonly recurseon: boolean;
  readonly resolvers: readonly string[];
  readonly zoneResolvers: ReadonlyMap<string, readonly string[]>;
  readonly timeout: number;
  readonly IPSources: readonly string[];
  readonly EnforceRFC952: boolean;
  readonly SetTruncateBit: boolean;
  readonly EnumerationOn: boolean;
  readonly SRVRecordDefaultWeight: number;
  readonly SOAMname: string;
  readonly SOARname: string;
  readonly SOARefresh: number;
  readonly SOARetry: number;
  readonly SOAExpire: number;
  readonly SOAMinttl: number;
  readonly SOASerial: number;
  readonly MesosHTTPSOn: boolean;
  readonly CACertFile: string;
  readonly CertFile: string;
  readonly KeyFile: string;
  readonly mesosAuthentication: string;
  readonly mesosCredentials: GoCredentials;
  readonly IAMConfigFile: string;
  readonly File: string;
}

type MesosDnsKey = keyof MesosDnsFile;

interface Field<T> {
  readonly type: GoType<T>;
  readonly default: T;
}

/** How long Mesos-DNS looks for a leader before it exits. */
export const ZK_DETECTION_SECONDS_DEFAULT = 30;

/** Used for an empty text, too. */
export const SOA_NAME_DEFAULTS = { SOAMname: 'ns1.mesos', SOARname: 'root.ns1.mesos' } as const;

/** Every key with its Go type and its default in Mesos-DNS. */
const FIELDS: { readonly [K in MesosDnsKey]: Field<MesosDnsFile[K]> } = {
  zk: { type: goString, default: '' },
  masters: { type: goStrings, default: [] },
  refreshSeconds: { type: goInt, default: 60 },
  stateTimeoutSeconds: { type: goInt, default: 300 },
  zkDetectionTimeout: { type: goInt, default: ZK_DETECTION_SECONDS_DEFAULT },
  ttl: { type: goInt32, default: 60 },
  domain: { type: goString, default: 'mesos' },
  port: { type: goInt, default: 53 },
  listener: { type: goString, default: '0.0.0.0' },
  HTTPListener: { type: goString, default: '0.0.0.0' },
  httpport: { type: goInt, default: 8123 },
  dnson: { type: goBool, default: true },
  httpon: { type: goBool, default: true },
  externalon: { type: goBool, default: true },
  recurseon: { type: goBool, default: true },
  resolvers: { type: goStrings, default: ['8.8.8.8'] },
  zoneResolvers: { type: goStringsByName, default: new Map() },
  timeout: { type: goInt, default: 5 },
  IPSources: { type: goStrings, default: ['netinfo', 'mesos', 'host'] },
  EnforceRFC952: { type: goBool, default: false },
  SetTruncateBit: { type: goBool, default: true },
  EnumerationOn: { type: goBool, default: true },
  SRVRecordDefaultWeight: { type: goUint16, default: 1 },
  SOAMname: { type: goString, default: SOA_NAME_DEFAULTS.SOAMname },
  SOARname: { type: goString, default: SOA_NAME_DEFAULTS.SOARname },
  SOARefresh: { type: goUint32, default: 60 },
  SOARetry: { type: goUint32, default: 600 },
  SOAExpire: { type: goUint32, default: 86_400 },
  SOAMinttl: { type: goUint32, default: 60 },
  SOASerial: { type: goUint32, default: 0 },
  MesosHTTPSOn: { type: goBool, default: false },
  CACertFile: { type: goString, default: '' },
  CertFile: { type: goString, default: '' },
  KeyFile: { type: goString, default: '' },
  mesosAuthentication: { type: goString, default: '' },
  mesosCredentials: { type: goCredentials, default: { principal: '', secret: '' } },
  IAMConfigFile: { type: goString, default: '' },
  File: { type: goString, default: '' },
};

const KEYS: readonly MesosDnsKey[] = Object.keys(FIELDS) as MesosDnsKey[];
const KEY_BY_FOLDED: ReadonlyMap<string, MesosDnsKey> = new Map(
  KEYS.map((key) => [foldKey(key), key]),
);

/** Whether Mesos-DNS knows the key, in any case. */
export function isMesosDnsKey(key: string): boolean {
  return KEY_BY_FOLDED.has(foldKey(key));
}

/** Decodes as Mesos-DNS does; problems are wrong types, and warnings for what has no effect. */
export function readMesosDnsFile(root: JsonObject, problems: ProblemList): MesosDnsFile {
  const values = defaults();
  const seen = new Set<MesosDnsKey>();
  for (const member of root.members) {
    const key = KEY_BY_FOLDED.get(foldKey(member.key));
    if (key === undefined) {
      const near = problems.isFull ? undefined : nearestKey(member.key, KEYS);
      const advice = near === undefined ? '' : `; did you mean "${near}"?`;
      problems.warning(memberPath('', member.key), `is not a key of Mesos-DNS, no effect${advice}`);
      continue;
    }
    if (seen.has(key)) problems.warning(key, 'is given more than once; the last one counts');
    seen.add(key);
    readField(key, member.value, values, problems);
  }
  return values;
}

function defaults(): MesosDnsFile {
  const entries = KEYS.map((key) => [key, FIELDS[key].default]);
  return Object.fromEntries(entries) as MesosDnsFile;
}

function readField(
  key: MesosDnsKey,
  node: JsonNode,
  values: MesosDnsFile,
  problems: ProblemList,
): void {
  // The same object for a loop over all keys: each key's type guards what goes into its slot.
  const slots: Record<MesosDnsKey, unknown> = values;
  const { type }: Field<unknown> = FIELDS[key];
  slots[key] = type.read(node, slots[key], key, problems);
}
