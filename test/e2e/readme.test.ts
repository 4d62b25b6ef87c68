import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { FencedBlock } from '../support/markdown.ts';
import { fencedBlocks } from '../support/markdown.ts';
import { PROJECT_ROOT, readProjectFile } from '../support/project.ts';
import type { ToolName } from '../support/tools.ts';
import { requireTool, TOOLS } from '../support/tools.ts';

/**
 * README.md is run: its blocks marked `sh test` are one bash session, in order, in a folder that
 * shows the checkout and has `hoplite` on its PATH. A block marked `text output` behind one says
 * what it prints: its lines in this order, other lines between them, `…` for any text.
 */
const DEADLINE_MS = 120_000;
const ANY_TEXT = '…';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

interface Step {
  readonly block: FencedBlock;
  readonly expected: readonly string[];
}

function stepsOf(markdown: string): Step[] {
  const blocks = fencedBlocks(markdown);
  return blocks.flatMap((block, index) => {
    if (block.info !== 'sh test') return [];
    const next = blocks[index + 1];
    const text = next?.info === 'text output' ? next.text : '';
    return [{ block, expected: text.split('\n').filter((line) => line.trim() !== '') }];
  });
}

/** The first expected line that the output does not have in its place, or null. */
function missingLine(expected: readonly string[], output: string): string | null {
  const lines = output.split('\n').map((line) => line.trim());
  let from = 0;
  for (const wanted of expected) {
    const parts = wanted
      .trim()
      .split(ANY_TEXT)
      .map((part) => part.replace(/\W/g, '\\$&'));
    const pattern = new RegExp(`^${parts.join('.*')}$`);
    const at = lines.findIndex((line, index) => index >= from && pattern.test(line));
    if (at < 0) return wanted;
    from = at + 1;
  }
  return null;
}

/** A folder that looks like the checkout; what commands write into it does not reach the checkout. */
function scratchCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hoplite-readme-'));
  for (const name of readdirSync(PROJECT_ROOT)) {
    symlinkSync(join(PROJECT_ROOT, name), join(folder, name));
  }
  const bin = join(folder, '.bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'hoplite'), `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`);
  chmodSync(join(bin, 'hoplite'), 0o755);
  return folder;
}

interface Session {
  readonly status: number | null;
  readonly errors: string;
  /** What each step printed; fewer than there are steps if one failed. */
  readonly outputs: readonly string[];
}

/** Runs the steps in one bash; its whole process group is ended with it. */
async function runSession(steps: readonly Step[]): Promise<Session> {
  const folder = scratchCheckout();
  const marker = `== step ${process.pid} ==`;
  const script = steps.map(({ block }) => `echo '${marker}'\n${block.text}`).join('');
  const path = [join(folder, '.bin'), dirname(process.execPath), process.env['PATH']].join(':');
  const bash = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, HOME: folder },
  });
  const endGroup = (): void => {
    try {
      if (bash.pid !== undefined) process.kill(-bash.pid, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  };
  const deadline = setTimeout(endGroup, DEADLINE_MS);
  let [output, errors] = ['', ''];
  bash.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  bash.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      bash.once('error', reject).once('exit', resolve);
    });
    endGroup();
    if (!bash.stdout.readableEnded) await new Promise((resolve) => bash.once('close', resolve));
    return { status, errors, outputs: output.split(`${marker}\n`).slice(1) };
  } finally {
    clearTimeout(deadline);
    endGroup();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the marked blocks and says what went wrong first, or null. */
async function firstFailure(steps: readonly Step[]): Promise<string | null> {
  const { status, errors, outputs } = await runSession(steps);
  for (const [index, { block, expected }] of steps.entries()) {
    const output = outputs[index];
    const failed = output === undefined || (status !== 0 && index === outputs.length - 1);
    const where = `README.md:${block.line}`;
    if (failed) return `${where} failed with ${status}\n${output ?? ''}\n${errors}`;
    const missing = missingLine(expected, output);
    if (missing !== null) return `${where} did not print: ${missing}\nbut:\n${output}\n${errors}`;
  }
  return null;
}

test('the commands of README.md work as it says', async (t) => {
  const steps = stepsOf(readProjectFile('README.md'));
  assert.ok(steps.length > 0, 'README.md has blocks marked `sh test`');
  assert.ok(existsSync(CLI), 'the CLI is built');
  const script = steps.map(({ block }) => block.text).join('');
  const named = (Object.keys(TOOLS) as ToolName[]).filter((tool) =>
    new RegExp(`(^|[\\s|;&(])${tool}\\s`, 'm').test(script),
  );
  if (!requireTool(t, ...named)) return;
  assert.equal(await firstFailure(steps), null);
});

const SAMPLE = (command: string, output: string): Step[] =>
  stepsOf(`# x\n\`\`\`sh test\n${command}\n\`\`\`\nprints\n\`\`\`text output\n${output}\n\`\`\`\n`);

test('a README command that prints what it says is good, and may leave a program running', async () => {
  const steps = SAMPLE('sleep 60 & echo one; echo two 2; echo three', 'one\ntwo …');
  assert.equal(await firstFailure([...steps, ...SAMPLE('jobs %1', '…sleep 60…')]), null);
});

test('a README command that fails is found with its line', async () => {
  const found = await firstFailure([...SAMPLE('true', ''), ...SAMPLE('echo seen; false', '')]);
  assert.match(found ?? '', /^README\.md:2 failed with 1\nseen/);
});

test('a README command that prints something else is found', async () => {
  assert.match(
    (await firstFailure(SAMPLE('echo 1.2.3.5', '1.2.3.4'))) ?? '',
    /did not print: 1\.2/,
  );
  assert.match((await firstFailure(SAMPLE('echo b; echo a', 'a\nb'))) ?? '', /did not print: b/);
});
