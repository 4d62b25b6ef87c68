import { json, jsonText, text, withHeaders } from './reply.ts';
import type { ApiReply } from './reply.ts';
import type { Api, Route } from './route.ts';
import { anyJson, jsonOf, textOf } from './schemas.ts';
import { NO_VIEW, viewReply } from './view-reply.ts';

/** A reason is one line for people; what comes from outside must not make two of it. */
function lines(reasons: readonly string[]): string {
  return reasons.map((reason) => `${reason.replace(/\s+/g, ' ')}\n`).join('');
}

function readiness(api: Api): ApiReply {
  const { ready, reasons, summary } = api.source.status();
  if (ready) return text(`ready\n${lines(reasons)}`);
  return text(lines(reasons.length > 0 ? reasons : [summary]), 503);
}

/** What Mesos-DNS has no route for (H06). */
export const OWN_ROUTES: readonly Route[] = [
  {
    path: '/v1/status',
    method: 'GET',
    summary: 'State of the source, the served generation, the listeners and the forwarding.',
    dialect: 'hoplite',
    parameters: {},
    responses: { 200: jsonOf('The status.', 'Status') },
    handle: (api) => json(api.source.status()),
  },
  {
    path: '/v1/rejections',
    method: 'GET',
    summary: 'What was left out of the cluster state, and why.',
    dialect: 'hoplite',
    parameters: {},
    responses: {
      200: jsonOf('Path, code and value of each rejection that is kept.', 'Rejections'),
      503: NO_VIEW,
    },
    handle: (api) => viewReply(api, { kind: 'rejections' }),
  },
  {
    path: '/v1/explain/:name',
    method: 'GET',
    summary: 'Why a name resolves as it does.',
    dialect: 'hoplite',
    parameters: { name: 'A name in any case, with or without its final dot.' },
    responses: {
      200: jsonOf('The answer, and where it comes from.', 'Explanation'),
      503: NO_VIEW,
    },
    handle: (api, { name = '' }) => viewReply(api, { kind: 'explain', name }),
  },
  {
    path: '/healthz',
    method: 'GET',
    summary: 'Whether the process works; for restarting it.',
    dialect: 'hoplite',
    parameters: {},
    responses: { 200: textOf('`ok`') },
    handle: () => text('ok'),
  },
  {
    path: '/readyz',
    method: 'GET',
    summary: 'Whether own names are answered; for routing to it.',
    dialect: 'hoplite',
    parameters: {},
    responses: {
      200: textOf('`ready`, and what is degraded nevertheless, one reason a line.'),
      503: textOf('Why not, one reason a line, worst first.'),
    },
    handle: readiness,
  },
  {
    path: '/metrics',
    method: 'GET',
    summary: 'Metrics in the Prometheus text format.',
    dialect: 'hoplite',
    parameters: {},
    responses: { 200: textOf('The metrics.') },
    handle: async (api) => ({
      status: 200,
      contentType: api.metrics.contentType,
      body: await api.metrics.promText(),
    }),
  },
  {
    path: '/openapi.json',
    method: 'GET',
    summary: 'This API as an OpenAPI 3.1 document.',
    dialect: 'hoplite',
    parameters: {},
    responses: { 200: anyJson('The document.') },
    handle: (api) => jsonText(api.openApi()),
  },
];

function escaped(source: string): string {
  return source.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The page behind `/`: the routes as a list, without script, style or anything from elsewhere. */
export function indexRoute(listed: readonly Route[]): Route {
  const items = listed.map(({ method, path, summary, query }) => {
    const shown = escaped(path);
    const needsMore =
      path.includes(':') || Object.values(query ?? {}).some(({ required }) => required);
    const title =
      method !== 'GET'
        ? `<code>${method} ${shown}</code>`
        : needsMore
          ? `<code>${shown}</code>`
          : `<a href="${shown}">${shown}</a>`;
    return `<dt>${title}</dt><dd>${escaped(summary)}</dd>\n`;
  });
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>hoplite</title>
<h1>hoplite</h1>
<dl>
${items.join('')}</dl>
</html>
`;
  return {
    path: '/',
    method: 'GET',
    summary: 'This list.',
    dialect: 'hoplite',
    parameters: {},
    responses: { 200: textOf('A page that lists the routes.', 'text/html') },
    handle: () =>
      withHeaders(
        { status: 200, contentType: 'text/html; charset=utf-8', body: page },
        {
          'content-security-policy':
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
          'referrer-policy': 'no-referrer',
        },
      ),
  };
}
