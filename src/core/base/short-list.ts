/**
 * Adds an item to a list that may not have begun. Most lists of a task or service have one item: made
 * at once they take the room of one, while `push` onto an empty list reserves 17, for each of 100,000.
 */
export function append<T>(list: T[] | null, item: T): T[] {
  if (list === null || list.length === 0) return [item];
  list.push(item);
  return list;
}
