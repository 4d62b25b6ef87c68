// npm links `bin` only if it is executable, and tsc writes plain files.
import { chmodSync } from 'node:fs';

chmodSync(new URL('../dist/src/cli/main.js', import.meta.url), 0o755);
