/** Length and first character of a label: RFC 1123 hosts, or RFC 952's 24 starting with a letter. */
export type LabelRule = 'rfc1123' | 'rfc952';

const LENGTH_MAX = { rfc1123: 63, rfc952: 24 } as const;

/**
 * Makes one DNS label of any text, exactly as Mesos-DNS does (records/labels/labels.go): letters
 * in lower case and digits stay; `-`, `.` and `_` become `-`; all else goes; a cut label that ends
 * in dashes is refilled from what was cut off. May be empty.
 */
export function label(text: string, rule: LabelRule): string {
  let clean = '';
  for (const character of text) {
    const code = character.charCodeAt(0);
    if ((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39)) clean += character;
    else if (code >= 0x41 && code <= 0x5a) clean += String.fromCharCode(code + 0x20);
    else if (code === 0x2d || code === 0x2e || code === 0x5f) clean += '-';
  }
  const max = LENGTH_MAX[rule];
  clean = clean.replace(rule === 'rfc952' ? /^[-0-9]+/ : /^-+/, '');
  const cut = clean.slice(0, max);
  const trimmed = trimRightDashes(cut);
  const removed = cut.length - trimmed.length;
  if (removed === 0) return trimmed;
  return trimmed + clean.slice(max).replace(/^-+/, '').slice(0, removed);
}

function trimRightDashes(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x2d) end--;
  return text.slice(0, end);
}

/** A dotted name, such as a framework's: each part one label, empty parts dropped. */
export function dottedLabels(text: string, rule: LabelRule): string {
  return text
    .split('.')
    .map((part) => label(part, rule))
    .filter((part) => part !== '')
    .join('.');
}

/** Names of a protocol text: `tcp,udp` is both (D17); nothing usable means both, as in Mesos. */
export function protocolLabels(protocol: string, rule: LabelRule): readonly string[] {
  if (protocol === 'tcp') return TCP;
  const labels = protocol
    .split(/[,\s/|+]+/)
    .map((part) => label(part, rule))
    .filter((part) => part !== '');
  return labels.length > 0 ? [...new Set(labels)] : TCP_AND_UDP;
}

const TCP: readonly string[] = ['tcp'];
export const TCP_AND_UDP: readonly string[] = ['tcp', 'udp'];
