import { append } from '../base/short-list.ts';

/**
 * Ports of one task. The Mesos text form is compact, so a short hostile value could name 65,536
 * ports for each of many tasks; no real task asks for more than this.
 */
export const PORTS_PER_TASK_MAX = 4_096;

export interface ParsedPorts {
  readonly ports: readonly number[];
  /** Parts of the text that were left out. */
  readonly rejected: readonly { readonly code: string; readonly value: string }[];
}

const NO_PORTS: ParsedPorts = { ports: [], rejected: [] };

/**
 * Reads `resources.ports` as Mesos prints it: `[31000-31002, 31005-31005]`. Parts that are no
 * range are rejected one by one; a reversed range is empty, as in Mesos-DNS.
 */
export function parsePorts(text: string): ParsedPorts {
  if (text === '' || text === '[]') return NO_PORTS;
  if (!text.startsWith('[') || !text.endsWith(']')) {
    return { ports: [], rejected: [{ code: 'ports-malformed', value: text }] };
  }
  let ports: number[] | null = null;
  const rejected: { code: string; value: string }[] = [];
  for (const part of text.slice(1, -1).split(',')) {
    const range = /^\s*(\d{1,10})-(\d{1,10})\s*$/.exec(part);
    const [from, to] = range === null ? [NaN, NaN] : [Number(range[1]), Number(range[2])];
    if (Number.isNaN(from)) rejected.push({ code: 'ports-malformed', value: part.trim() });
    else if (to > 65_535 || from > 65_535) {
      rejected.push({ code: 'port-out-of-range', value: part.trim() });
    } else {
      const room = PORTS_PER_TASK_MAX - (ports?.length ?? 0);
      const last = Math.min(to, from + room - 1);
      for (let port = from; port <= last; port++) ports = append(ports, port);
      if (last < to) {
        rejected.push({ code: 'too-many-ports', value: part.trim() });
        break;
      }
    }
  }
  return { ports: ports ?? [], rejected };
}
