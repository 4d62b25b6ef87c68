import { CLASS, TYPE } from './constants.ts';
import { parseWireName } from './name.ts';
import type { Query } from './query.ts';
import type { ReplyMessage } from './reply-message.ts';
import { writeU16, writeU32 } from './wire.ts';

/** Octets of a character-string (RFC 1035 §3.3). */
const TEXT_BYTES_MAX = 255;
/** Pointer to the question, type, class, TTL, length, and the length of the text. */
const TXT_HEAD_BYTES = 13;
const QUESTION_POINTER = 0xc00c;

interface ChaosText {
  readonly name: Uint8Array;
  readonly text: Uint8Array;
}

/** TXT records of class CH that tell which server this is (RFC 4892). */
export class ChaosAnswers {
  readonly #texts: readonly ChaosText[];

  /** Null: there are none. A text that is empty has no record. */
  constructor(texts: { readonly id: string; readonly version: string } | null) {
    const records = [
      ['version.bind.', texts?.version],
      ['version.server.', texts?.version],
      ['id.server.', texts?.id],
      ['hostname.bind.', texts?.id],
    ] as const;
    this.#texts = records.flatMap(([name, text = '']) =>
      text === ''
        ? []
        : {
            name: parseWireName(name)!,
            text: new TextEncoder().encode(text).subarray(0, TEXT_BYTES_MAX),
          },
    );
  }

  /** Writes the record of a question's name; false if there is none, or no room for it. */
  write(reply: ReplyMessage, query: Pick<Query, 'name' | 'nameLength'>): boolean {
    for (const { name, text } of this.#texts) {
      if (!isName(name, query)) continue;
      if (!reply.fits(TXT_HEAD_BYTES + text.length)) return false;
      const { out, at } = reply;
      writeU16(out, at, QUESTION_POINTER);
      writeU16(out, at + 2, TYPE.TXT);
      writeU16(out, at + 4, CLASS.CH);
      writeU32(out, at + 6, 0);
      writeU16(out, at + 10, text.length + 1);
      out[at + 12] = text.length;
      out.set(text, at + TXT_HEAD_BYTES);
      reply.at = at + TXT_HEAD_BYTES + text.length;
      reply.answers++;
      return true;
    }
    return false;
  }
}

function isName(wire: Uint8Array, query: Pick<Query, 'name' | 'nameLength'>): boolean {
  if (wire.length !== query.nameLength) return false;
  for (let i = 0; i < wire.length; i++) if (wire[i] !== query.name[i]) return false;
  return true;
}
