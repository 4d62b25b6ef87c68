// Writes config/hoplite.schema.json from the table of keys; run after `npm run build`.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { format, resolveConfig } from 'prettier';

import { configSchema } from '../dist/src/core/config/config-schema.js';

const file = fileURLToPath(new URL('../config/hoplite.schema.json', import.meta.url));
const options = { ...(await resolveConfig(file)), filepath: file };
writeFileSync(file, await format(JSON.stringify(configSchema(), null, 2), options));
