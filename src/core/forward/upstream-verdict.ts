import { FLAG, RCODE, RCODE_MASK, TYPE } from '../dns/constants.ts';
import { FIELD, SECTION, locateRecords } from '../dns/message-layout.ts';
import type { MessageLayout } from '../dns/message-layout.ts';
import { readU16 } from '../dns/wire.ts';

/** What a reply is good for. */
export interface UpstreamVerdict {
  /** Why another upstream should be asked, such as `servfail`; null: the reply is an answer. */
  readonly fault: string | null;
  /** Of replies that are no answer, the one with the most is passed on; 0: none at all. */
  readonly worth: number;
  /** The name may be at fault: it counts against the upstream only if another had an answer. */
  readonly excusable: boolean;
  /** Our OPT record may be at fault: asked without it, an old server answers (RFC 6891 §7). */
  readonly doubtsOpt: boolean;
}

const fault = (
  text: string,
  worth: number,
  more: Partial<Pick<UpstreamVerdict, 'excusable' | 'doubtsOpt'>> = {},
): UpstreamVerdict => ({ fault: text, worth, excusable: false, doubtsOpt: false, ...more });

const ANSWER: UpstreamVerdict = { fault: null, worth: 100, excusable: true, doubtsOpt: false };
/** The client sees TC and may have more luck over TCP. */
const TRUNCATED = fault('truncated', 9, { excusable: true });
const MALFORMED = fault('malformed', 0);
/** As an answer it would say that there are no such records, which the upstream does not know. */
const LAME = fault('lame', 0);

/** YXDOMAIN: the name that a DNAME leads to is too long (RFC 6672 §2.2), with any upstream. */
const YXDOMAIN = 6;

const BY_RCODE: ReadonlyMap<number, UpstreamVerdict> = new Map([
  [RCODE.NOERROR, ANSWER],
  [RCODE.NXDOMAIN, ANSWER],
  [YXDOMAIN, ANSWER],
  [RCODE.SERVFAIL, fault('servfail', 8, { excusable: true })],
  [RCODE.REFUSED, fault('refused', 7)],
  [RCODE.NOTIMP, fault('notimp', 6, { doubtsOpt: true })],
  [RCODE.FORMERR, fault('formerr', 5, { doubtsOpt: true })],
  [RCODE.BADVERS, fault('badvers', 0, { doubtsOpt: true })],
]);

/**
 * Judges a reply to `query`. An empty NOERROR without SOA is an answer: small forwarders say so that
 * there are no such records (RFC 2308 §2.2, NODATA type 3). A referral is none, unless recursion was
 * not wanted.
 */
export function judgeReply(query: Uint8Array, reply: Uint8Array): UpstreamVerdict {
  const layout = locateRecords(reply);
  if (layout === null) return MALFORMED;
  const rcode = extendedRcode(reply, layout);
  const verdict = BY_RCODE.get(rcode);
  // A code that does not fit into the header needs an OPT record, which is between us alone.
  if (verdict === undefined) return fault(`rcode-${rcode}`, rcode <= RCODE_MASK ? 1 : 0);
  if (verdict !== ANSWER) return verdict;
  if ((readU16(reply, 2) & FLAG.TC) !== 0) return TRUNCATED;
  const wantsRecursion = (readU16(query, 2) & FLAG.RD) !== 0;
  return rcode === RCODE.NOERROR && wantsRecursion && isReferral(reply, layout) ? LAME : verdict;
}

/** Response code with the upper eight bits in OPT, if there is one (RFC 6891 §6.1.3). */
function extendedRcode(reply: Uint8Array, { records }: MessageLayout): number {
  const low = readU16(reply, 2) & RCODE_MASK;
  const opt = records.findLast(
    ({ section, fields }) =>
      section === SECTION.ADDITIONAL && readU16(reply, fields + FIELD.TYPE) === TYPE.OPT,
  );
  return opt === undefined ? low : low | (reply[opt.fields + FIELD.TTL]! << 4);
}

/** No answer, no SOA, only the name servers of a zone, from one that is not in charge of it. */
function isReferral(reply: Uint8Array, { records }: MessageLayout): boolean {
  if ((readU16(reply, 2) & FLAG.AA) !== 0) return false;
  if (records.some(({ section }) => section === SECTION.ANSWER)) return false;
  const types = records
    .filter(({ section }) => section === SECTION.AUTHORITY)
    .map(({ fields }) => readU16(reply, fields + FIELD.TYPE));
  return types.includes(TYPE.NS) && !types.includes(TYPE.SOA);
}
