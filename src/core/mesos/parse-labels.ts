import { asArray, asObject, isAbsent } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { append } from '../base/short-list.ts';
import type { DiscoveryPort, PortLabel, VipPortLabel } from './snapshot.ts';

/** Labels that are read of one port or task; each may become a virtual service in the kernel. */
export const LABELS_MAX = 32;
/** Length of keys and values: a VIP is at most a DNS name of 253 characters and a port. */
export const LABEL_LENGTH_MAX = 255;

export interface ParsedPortLabels {
  readonly scope: DiscoveryPort['scope'];
  readonly labels: readonly PortLabel[];
}

const NONE: readonly never[] = [];
const NO_LABELS: ParsedPortLabels = { scope: null, labels: NONE };
const VIP_PORT = 'vip_port';

/**
 * Reads `labels` of the discovery port at `path`, `{labels: [{key, value}]}`: Marathon's
 * `network-scope`, and what declares VIPs. DC/OS drops a task whose scope is wrong or given twice;
 * here only the labels of the port are lost. A bad label is rejected alone.
 */
export function parsePortLabels(
  value: unknown,
  path: string,
  rejections: RejectionList,
): ParsedPortLabels {
  const entries = labelEntries(value, path, rejections);
  let scope: DiscoveryPort['scope'] = null;
  let kept: PortLabel[] | null = null;
  for (let i = 0; i < entries.length; i++) {
    const label = asObject(entries[i]);
    const key = label?.['key'];
    if (label === null || typeof key !== 'string') {
      rejections.add(`${path}.labels.labels[${i}]`, 'label-malformed', entries[i]);
    } else if (key === 'network-scope') {
      const given = label['value'];
      if (scope !== null || (given !== 'host' && given !== 'container')) {
        rejections.add(`${path}.labels.labels[${i}]`, 'network-scope-malformed', label);
        return NO_LABELS;
      }
      scope = given;
    } else if (key.startsWith('VIP') || key.startsWith('vip') || key.startsWith('HOPLITE_')) {
      const defect = labelDefect(key, label['value'], kept);
      if (defect === null) kept = append(kept, { key, value: label['value'] as string });
      else rejections.add(`${path}.labels.labels[${i}]`, defect, label);
    }
  }
  return scope === null && kept === null ? NO_LABELS : { scope, labels: kept ?? NONE };
}

/**
 * Reads the labels `VIP_PORT<n>`, in any case, of the label list of the task at `path`. Labels that
 * have no such key are not ours, however they look.
 */
export function parseVipPortLabels(
  value: unknown,
  path: string,
  rejections: RejectionList,
): readonly VipPortLabel[] {
  const entries = asArray(value) ?? NONE;
  let kept: VipPortLabel[] | null = null;
  for (let i = 0; i < entries.length; i++) {
    const label = asObject(entries[i]);
    const key = label?.['key'];
    if (label === null || typeof key !== 'string') continue;
    if (key.slice(0, VIP_PORT.length).toLowerCase() !== VIP_PORT) continue;
    const index = key.slice(VIP_PORT.length);
    const defect = labelDefect(key, label['value'], kept);
    if (defect === null) kept = append(kept, { index, value: label['value'] as string });
    else rejections.add(`${path}.labels[${i}]`, defect, label);
  }
  return kept ?? NONE;
}

/**
 * Whether a JSON text may have a string that begins with `VIP_PORT` in any case. Most tasks have
 * labels, hardly any these: with the filter the others cost no objects.
 */
export function mentionsVipPort(octets: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const octet = octets[at];
    if (octet === 0x5c) {
      // An escape: `\u` can hide any character, the others none of ours.
      if (octets[++at] === 0x75) return true;
    } else if (octet === 0x22 && spellsVipPort(octets, at + 1)) {
      return true;
    }
  }
  return false;
}

function spellsVipPort(octets: Uint8Array, at: number): boolean {
  for (let i = 0; i < VIP_PORT.length; i++) {
    const octet = octets[at + i];
    if (octet === undefined) return false;
    const isCapital = octet >= 0x41 && octet <= 0x5a;
    if ((isCapital ? octet + 0x20 : octet) !== VIP_PORT.charCodeAt(i)) return false;
  }
  return true;
}

/** Why a label cannot be kept beside those that are; null if it can, then its value is a text. */
function labelDefect(
  key: string,
  value: unknown,
  kept: readonly unknown[] | null,
): 'label-malformed' | 'label-too-long' | 'too-many-labels' | null {
  if (typeof value !== 'string') return 'label-malformed';
  if (key.length > LABEL_LENGTH_MAX || value.length > LABEL_LENGTH_MAX) return 'label-too-long';
  return kept !== null && kept.length >= LABELS_MAX ? 'too-many-labels' : null;
}

function labelEntries(value: unknown, path: string, rejections: RejectionList): readonly unknown[] {
  if (isAbsent(value)) return NONE;
  const labels = asObject(value);
  const list = labels?.['labels'];
  // Mesos writes no labels as `{}`.
  if (labels !== null && isAbsent(list)) return NONE;
  const entries = asArray(list);
  if (entries === null) rejections.add(`${path}.labels`, 'labels-malformed', value);
  return entries ?? NONE;
}
