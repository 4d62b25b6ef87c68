import { OTHER } from '../../core/respond/labels.ts';

/**
 * Passes the first `max` distinct values through and maps later ones to `other`. For values that
 * come from the configuration or a table of ours, and should be few: a bound, not a filter.
 */
export function boundedLabel(max: number): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= max) return OTHER;
    seen.add(value);
    return value;
  };
}
