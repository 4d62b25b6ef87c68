/** How specifically media ranges match `application/json` (RFC 9110 section 12.5.1). */
const SPECIFICITY: ReadonlyMap<string, number> = new Map([
  ['*/*', 1],
  ['application/*', 2],
  ['application/json', 3],
]);

/** RFC 9110 section 12.4.2. */
const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** The `q` of a media range: 1 when absent; 0, "not acceptable", when it is not a weight. */
function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name, value] = parameter.split('=', 2);
    if (name?.trim().toLowerCase() !== 'q') continue;
    return WEIGHT.test(value?.trim() ?? '') ? Number(value) : 0;
  }
  return 1;
}

/**
 * Whether a client that sent this `Accept` header takes `application/json`: the most specific range
 * that matches decides, and its weight must not be 0. No header, or an empty one, accepts anything.
 */
export function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return true;
  let best = { specificity: 0, weight: 0 };
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';');
    const specificity = SPECIFICITY.get(type.trim().toLowerCase()) ?? 0;
    const weight = weightOf(parameters);
    if (
      specificity > best.specificity ||
      (specificity === best.specificity && weight > best.weight)
    ) {
      best = { specificity, weight };
    }
  }
  return best.weight > 0 && best.specificity > 0;
}

/** Whether a `Content-Type` header says JSON, with any parameters. */
export function isJson(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === 'application/json';
}
