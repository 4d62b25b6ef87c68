import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders that hold no text of ours: made by tools, or recorded from other programs. */
const FOREIGN = ['.git', '.build', 'dist', 'node_modules', 'coverage', 'test/fixtures'];

function findRoot(from: string): string {
  let folder = from;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${from}`);
    folder = parent;
  }
  return folder;
}

/** Absolute path of the checkout, wherever the compiled tests are. */
export const PROJECT_ROOT: string = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Absolute path of a file that is named from the top of the project. */
export function projectPath(path: string): string {
  return join(PROJECT_ROOT, path);
}

/** Text of a file that is named from the top of the project. */
export function readProjectFile(path: string): string {
  return readFileSync(projectPath(path), 'utf8');
}

/** Every file of ours under `folder` ('' is all), as paths from the top of the project, sorted. */
export function projectFiles(folder = ''): string[] {
  if (!existsSync(projectPath(folder))) return [];
  return readdirSync(projectPath(folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = relative(PROJECT_ROOT, projectPath(join(folder, entry.name)));
      if (FOREIGN.includes(path)) return [];
      if (entry.isDirectory()) return projectFiles(path);
      return entry.isFile() ? [path] : [];
    })
    .sort();
}
