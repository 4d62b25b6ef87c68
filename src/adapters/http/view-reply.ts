import type { ViewRequest } from '../../core/ports.ts';
import { jsonError, jsonText, withHeaders } from './reply.ts';
import type { ApiReply } from './reply.ts';
import type { Api, RouteResponse } from './route.ts';
import { jsonOf } from './schemas.ts';

/** What routes that show a view answer when there is none. */
export const NO_VIEW: RouteResponse = jsonOf('The view cannot be rendered now.', 'Error');

/** A view as the worker renders it, or 503. */
export async function viewReply(api: Api, request: ViewRequest): Promise<ApiReply> {
  const outcome = await api.views.view(request);
  if (outcome.ok) return jsonText(outcome.value);
  const { code, message } = outcome.error;
  return withHeaders(jsonError(503, code, message), { 'retry-after': '1' });
}
