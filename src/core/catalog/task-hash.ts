import { hash } from 'node:crypto';

/** z-base-32 alphabet, in which Mesos-DNS writes task hashes (records/generator.go). */
const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769';

/** Five characters that tell tasks of one name apart: the first 25 bits of the id's SHA-1. */
export function taskHash(taskId: string): string {
  const bits = hash('sha1', taskId, 'buffer').readUInt32BE(0);
  let text = '';
  for (let shift = 27; shift >= 7; shift -= 5) text += ALPHABET.charAt((bits >>> shift) & 31);
  return text;
}
