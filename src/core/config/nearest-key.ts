/** Longer keys are no misspelling of ours; the bound also keeps the distance cheap. */
const KEY_LENGTH_MAX = 40;

/**
 * The candidate that `key` is most likely a misspelling of, without regard to case; undefined if
 * none is near: one edit for short keys, one in three characters for longer ones, or the first
 * word of a candidate, such as `ttl` of `ttlSeconds`.
 */
export function nearestKey(key: string, candidates: readonly string[]): string | undefined {
  if (key.length > KEY_LENGTH_MAX) return undefined;
  const typed = key.toLowerCase();
  let nearest: string | undefined;
  let nearestDistance = Math.max(1, Math.floor(key.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate.toLowerCase());
    if (distance >= nearestDistance) continue;
    nearest = candidate;
    nearestDistance = distance;
  }
  return nearest ?? candidates.find((candidate) => startsWithWord(candidate, typed));
}

function startsWithWord(candidate: string, word: string): boolean {
  const isPrefix = word !== '' && candidate.toLowerCase().startsWith(word);
  return isPrefix && /^[A-Z]/.test(candidate.slice(word.length));
}

/** Levenshtein distance: inserted, deleted and replaced characters. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
