/**
 * Adds an item to a list that begins as null. Most lists of a task have one item: made at once they
 * take the room of one, while `push` onto an empty list reserves 17, for each of 100,000 tasks.
 */
export function append<T>(list: T[] | null, item: T): T[] {
  if (list === null) return [item];
  list.push(item);
  return list;
}
