import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

/** A hoplite that a benchmark has started. */
export interface Daemon {
  readonly child: ChildProcess;
  /** Resolves when the next generation is logged; asking would cost the daemon CPU. */
  readonly published: () => Promise<void>;
  readonly dns: number;
  readonly http: number;
}

/** Starts `hoplite serve` with a configuration, its file in `dir`, on ports that are free. */
export async function startDaemon(
  dir: string,
  config: Readonly<Record<string, object>>,
): Promise<Daemon> {
  const file = join(dir, 'config.json');
  const listen = { dns: { listen: ['127.0.0.1:0'] }, http: { listen: '127.0.0.1:0' } };
  // The kernel of this machine is left alone. Small changes are logged at `debug` alone.
  const always = { ...listen, kernel: { enabled: false }, log: { level: 'debug' } };
  writeFileSync(file, JSON.stringify({ ...always, ...config }));
  // The environment of deploy/hoplite.service.
  const env = { ...process.env, MALLOC_ARENA_MAX: '2' };
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', file], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const logged = async (event: string): Promise<string> => {
    for (;;) {
      const line = new RegExp(`^.*"event":"${event}".*\n`, 'm').exec(text);
      if (line !== null) {
        text = text.slice(line.index + line[0].length);
        return line[0];
      }
      text += String((await once(child.stdout, 'data'))[0]);
    }
  };
  const started = await logged('started');
  const port = (name: string): number =>
    Number(new RegExp(`"${name}":\\[?"[^"]*:(\\d+)"`).exec(started)?.[1]);
  return {
    child,
    dns: port('dns'),
    http: port('http'),
    async published() {
      await logged('generation-published');
    },
  };
}

/** The value that a share `q` of the others is below. */
export const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ??
  0;
