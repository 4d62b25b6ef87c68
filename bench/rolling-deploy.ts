// Replaces the backends of a service one by one under load, in a kernel of its own:
//
//   npm run build && node dist/bench/rolling-deploy.js [REQUESTS_PER_SECOND] [DOWNLOAD_SECONDS]
import { fileURLToPath } from 'node:url';
import { missingGuest, runGuest } from '../test/support/guest.ts';

const [rate = '200', seconds = '60'] = process.argv.slice(2);
const file = fileURLToPath(new URL('../test/kernel/rolling-deploy.test.js', import.meta.url));

const missing = missingGuest();
if (missing !== false) throw new Error(missing);
const environment = { HOPLITE_DEPLOY_RATE: rate, HOPLITE_DEPLOY_SECONDS: seconds };
const end = await runGuest({ vehicle: 'uml', file, environment }, (event) => {
  if (event.kind === 'note') console.log(event.text);
  if (event.kind === 'pass') console.log(`passed: ${event.name}`);
  if (event.kind === 'fail') console.log(`FAILED: ${event.name}\n${event.text}`);
});
if (end.status !== 0) console.log(end.killed ?? '', end.console);
process.exitCode = end.status ?? 1;
