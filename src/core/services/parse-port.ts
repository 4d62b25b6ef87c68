import {
  describeFound,
  describeKind,
  memberPath,
  type ProblemList,
} from '../config/problem-list.ts';
import { integerType, type ValueType, wordType } from '../config/value-type.ts';
import type { JsonNode } from '../config/json-text.ts';
import { type Protocol, PROTOCOLS } from '../ipvs/table.ts';
import { LABEL_LENGTH_MAX, LABELS_MAX } from '../mesos/parse-labels.ts';
import type { PortLabel } from '../mesos/snapshot.ts';
import { isOptionKey, parsePortOptions } from '../vip/port-options.ts';
import { isVipKey, parseVipLabel, type VipLabelDefect } from '../vip/vip-label.ts';
import { ServicesFields } from './services-fields.ts';
import type { StaticPort } from './static-service.ts';

const KEYS = ['name', 'number', 'protocol', 'vip', 'labels'];
/** Label that `vip` stands for. */
const VIP_KEY = 'VIP';

const PORT_DEFECTS: Readonly<Record<VipLabelDefect, string>> = {
  'vip-label-malformed': 'expected /name:port or address:port',
  'vip-port-out-of-range': 'expected a port from 1 to 65535 after the last colon',
  'vip-name-empty': 'expected letters or digits before the port',
  'vip-name-too-long': 'expected a name whose parts have at most 63 characters',
};

const numberType = integerType(1, 65_535);
const protocolType: ValueType<Protocol> = wordType(...PROTOCOLS);

/** One label of a DNS name as a task's port may have it: a dot in it would become a hyphen. */
const nameType: Pick<ValueType<string>, 'read'> = {
  read(node, path, problems) {
    if (node.kind === 'string' && /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/i.test(node.value)) {
      return node.value.toLowerCase();
    }
    const expected = 'expected at most 63 letters, digits, hyphens and underscores';
    problems.error(path, `${expected}${describeFound(node)}`);
    return undefined;
  },
};

const vipType: Pick<ValueType<string>, 'read'> = {
  read(node, path, problems) {
    const defect = node.kind === 'string' ? vipDefect(node.value) : null;
    if (node.kind === 'string' && defect === null) return node.value;
    problems.error(path, `${defect ?? PORT_DEFECTS['vip-label-malformed']}${describeFound(node)}`);
    return undefined;
  },
};

const labelsType: Pick<ValueType<readonly PortLabel[]>, 'read'> = { read: readLabels };

/** Reads one entry of `ports`; null if anything is wrong with it. */
export function parsePort(node: JsonNode, path: string, problems: ProblemList): StaticPort | null {
  const fields = new ServicesFields(node, path, KEYS, problems);
  const name = fields.read('name', nameType, null) ?? '';
  const number = fields.read('number', numberType, 'required');
  const protocol = fields.read('protocol', protocolType, null) ?? 'tcp';
  const vip = fields.read('vip', vipType, null);
  const given = fields.read('labels', labelsType, null) ?? [];
  if (vip !== undefined && given.some(({ key }) => key === VIP_KEY)) {
    fields.fail('vip', `is the label ${VIP_KEY}, which is given too; remove one of them`);
  }
  if (number === undefined || !fields.isGood) return null;
  const labels = vip === undefined ? given : [{ key: VIP_KEY, value: vip }, ...given];
  return { name, number, protocol, labels };
}

function vipDefect(value: string): string | null {
  if (value.length > LABEL_LENGTH_MAX) return `expected at most ${LABEL_LENGTH_MAX} characters`;
  const parsed = parseVipLabel(value);
  return parsed.ok ? null : PORT_DEFECTS[parsed.error];
}

/** Strict where labels of tasks are not: here a misspelt key is no label of somebody else. */
function readLabels(
  node: JsonNode,
  path: string,
  problems: ProblemList,
): readonly PortLabel[] | undefined {
  if (node.kind !== 'object' || node.members.length >= LABELS_MAX) {
    const expected = `expected an object of fewer than ${LABELS_MAX} labels`;
    const found = node.kind === 'object' ? node.members.length : describeKind(node);
    problems.error(path, `${expected}, found ${found}`);
    return undefined;
  }
  const labels = new Map<string, string>();
  const bad = new Set<string>();
  const fail = (key: string, message: string): void => {
    bad.add(key);
    problems.error(memberPath(path, key), message);
  };
  for (const { key, value } of node.members) {
    if (value.kind !== 'string') {
      fail(key, `expected a text${describeFound(value)}`);
      continue;
    }
    const defect = isVipKey(key) ? vipDefect(value.value) : null;
    if (labels.has(key)) fail(key, 'is given twice; remove one of them');
    else if (key.length > LABEL_LENGTH_MAX || !(isVipKey(key) || isOptionKey(key))) {
      fail(key, 'is no label for VIPs; they begin with VIP or HOPLITE_');
    } else if (defect !== null) fail(key, `${defect}${describeFound(value)}`);
    labels.set(key, value.value);
  }
  const all = [...labels].map(([key, value]) => ({ key, value }));
  parsePortOptions(
    all.filter(({ key }) => isOptionKey(key)),
    ({ key, value }, code) => {
      const isUnknown = code === 'hoplite-label-unknown';
      fail(key, isUnknown ? 'is not a label of hoplite' : `cannot be ${JSON.stringify(value)}`);
    },
  );
  return bad.size === 0 ? all : undefined;
}
