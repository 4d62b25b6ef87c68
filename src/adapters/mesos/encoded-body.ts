import type { Dispatcher } from 'undici';
import type { EncodedBody } from './state-body.ts';

/** One header, repeated ones joined as RFC 9110 §5.3 has it; null when absent. */
function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | null {
  const value = headers[name];
  if (value === undefined) return null;
  return typeof value === 'string' ? value : value.join(', ');
}

/** The body of a response with what is needed to read it. */
export function encodedBodyOf(response: Dispatcher.ResponseData): EncodedBody {
  return {
    body: response.body,
    contentEncoding: headerOf(response, 'content-encoding'),
    contentLength: headerOf(response, 'content-length'),
  };
}
