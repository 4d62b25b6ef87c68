import { compareText } from '../base/order.ts';
import { type ForwardingMethod, SCHEDULER_FLAG, SCHEDULERS } from '../ipvs/table.ts';
import type { PortLabel } from '../mesos/snapshot.ts';

/** A scheduler with its flags. */
export interface SchedulerChoice {
  readonly scheduler: string;
  /** Bits of SCHEDULER_FLAG. */
  readonly flags: number;
}

/** What the labels `HOPLITE_…` of a port ask for; null where nothing is asked. */
export interface PortOptions {
  readonly weight: number;
  readonly scheduler: SchedulerChoice | null;
  readonly persistenceSeconds: number | null;
  readonly forwarding: ForwardingMethod;
  /** 0: no limit. */
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  /** `vip`: the plain task name stands for the VIP; `dnsrr`: the port has no VIP. */
  readonly endpoint: 'vip' | 'dnsrr' | null;
}

/** Told about every label that is left out. */
export type RejectLabel = (label: PortLabel, code: string) => void;

const OPTION_PREFIX = 'HOPLITE_';
/** What IPVS takes without cutting it in some tool's 16 bits. */
const WEIGHT_MAX = 65_535;
/** A client that has not come back for a month is a new one. */
const PERSISTENCE_SECONDS_MAX = 31 * 86_400;
/** The kernel compares thresholds as signed numbers. */
const THRESHOLD_MAX = 2 ** 31 - 1;

const NO_OPTIONS: PortOptions = {
  weight: 1,
  scheduler: null,
  persistenceSeconds: null,
  forwarding: 'masq',
  upperThreshold: 0,
  lowerThreshold: 0,
  endpoint: null,
};

type Draft = { -readonly [K in keyof PortOptions]: PortOptions[K] };

/** Puts the value of one label into the draft; false: the value is no good. */
type Option = (draft: Draft, value: string) => boolean;

const OPTIONS: Readonly<Record<string, Option>> = {
  HOPLITE_WEIGHT: (draft, value) => {
    const weight = parseCount(value, WEIGHT_MAX);
    if (weight === null) return false;
    draft.weight = weight;
    return true;
  },
  HOPLITE_SCHEDULER: (draft, value) => (draft.scheduler = parseScheduler(value)) !== null,
  HOPLITE_PERSISTENCE: (draft, value) =>
    (draft.persistenceSeconds = parseCount(value, PERSISTENCE_SECONDS_MAX)) !== null,
  HOPLITE_FORWARDING: (draft, value) => {
    if (value !== 'masq' && value !== 'direct' && value !== 'tunnel') return false;
    draft.forwarding = value;
    return true;
  },
  HOPLITE_UPPER_THRESHOLD: (draft, value) => {
    const threshold = parseCount(value, THRESHOLD_MAX);
    if (threshold === null) return false;
    draft.upperThreshold = threshold;
    return true;
  },
  HOPLITE_LOWER_THRESHOLD: (draft, value) => {
    const threshold = parseCount(value, THRESHOLD_MAX);
    // ip_vs_ctl.c refuses a destination whose lower threshold is above the upper one.
    if (threshold === null || threshold > draft.upperThreshold) return false;
    draft.lowerThreshold = threshold;
    return true;
  },
  HOPLITE_ENDPOINT: (draft, value) => {
    if (value !== 'vip' && value !== 'dnsrr') return false;
    draft.endpoint = value;
    return true;
  },
};

/**
 * Reads the labels `HOPLITE_…` of one port. Unknown ones and bad values are rejected one by one
 * (`hoplite-label-unknown`, `hoplite-label-value`), and so is what contradicts a label before it.
 */
export function parsePortOptions(labels: readonly PortLabel[], reject: RejectLabel): PortOptions {
  if (labels.length === 0) return NO_OPTIONS;
  const draft: Draft = { ...NO_OPTIONS };
  const seen = new Map<string, string>();
  for (const label of inOrder(labels)) {
    const option = Object.hasOwn(OPTIONS, label.key) ? OPTIONS[label.key] : undefined;
    const before = seen.get(label.key);
    if (option === undefined) {
      reject(label, 'hoplite-label-unknown');
    } else if (before === undefined ? !option(draft, label.value) : before !== label.value) {
      reject(label, 'hoplite-label-value');
    } else {
      seen.set(label.key, label.value);
    }
  }
  return draft;
}

/** Whether a port label says how to balance. */
export function isOptionKey(key: string): boolean {
  return key.startsWith(OPTION_PREFIX);
}

/** Reads `rr`, or `mh,port,fallback`: only the hashing schedulers have flags. Null: neither. */
export function parseScheduler(text: string): SchedulerChoice | null {
  const [scheduler = '', ...flagNames] = text.split(',');
  if (!SCHEDULERS.some((known) => known === scheduler)) return null;
  if (flagNames.length > 0 && scheduler !== 'sh' && scheduler !== 'mh') return null;
  let flags = 0;
  for (const name of flagNames) {
    if (name === 'port') flags |= SCHEDULER_FLAG.PORT;
    else if (name === 'fallback') flags |= SCHEDULER_FLAG.FALLBACK;
    else return null;
  }
  return { scheduler, flags };
}

function parseCount(text: string, max: number): number | null {
  if (!/^\d{1,10}$/.test(text)) return null;
  const count = Number(text);
  return count <= max ? count : null;
}

/** Sorted, so that the outcome does not depend on the state's order; UPPER comes before LOWER. */
function inOrder(labels: readonly PortLabel[]): readonly PortLabel[] {
  if (labels.length === 1) return labels;
  return [...labels].sort((a, b) => {
    return compareText(b.key, a.key) || compareText(a.value, b.value);
  });
}
