import { posix } from 'node:path';
import ts from 'typescript';
import { projectFiles, readProjectFile } from './project.ts';

/** One place where a source file names another module. */
export interface Import {
  /** As written, such as `../base/result.ts` or `node:net`. */
  readonly specifier: string;
  /** Path from the top of the project for relative specifiers, else null. */
  readonly target: string | null;
  /** `type` is gone after compilation; `worker` is `new URL('./x.js', import.meta.url)`. */
  readonly kind: 'value' | 'type' | 'dynamic' | 'worker';
  /** Imported names; `*` and `default` stand for themselves. */
  readonly names: readonly string[];
  readonly line: number;
}

/** Something that stands at a line: a function with its length, or a use of the outside world. */
export interface Located {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

export interface SourceFile {
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly functions: readonly Located[];
  /** Uses of clock, randomness, timers, process, console and network through globals. */
  readonly effects: readonly Located[];
}

const EFFECT_OBJECTS = ['process', 'console', 'performance', 'globalThis', 'crypto'];
const EFFECT_CALLS = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch'];
const EFFECT_MEMBERS = ['Date.now', 'Math.random'];

function targetOf(path: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  const target = posix.join(posix.dirname(path), specifier);
  return target.replace(/\.js$/, '.ts');
}

function namesOf(clause: ts.ImportClause | undefined): string[] {
  const bindings = clause?.namedBindings;
  return [
    ...(clause?.name === undefined ? [] : ['default']),
    ...(bindings === undefined
      ? []
      : ts.isNamespaceImport(bindings)
        ? ['*']
        : bindings.elements.map((element) => (element.propertyName ?? element.name).text)),
  ];
}

function isImportMetaUrl(node: ts.Node | undefined): boolean {
  return node?.getText() === 'import.meta.url';
}

type Found = Pick<Import, 'specifier' | 'kind' | 'names'>;

/** What a node imports, if it does. */
function importOf(node: ts.Node): Found | null {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    // Only `import type` vanishes: `import { type A }` still loads the module.
    const clause = node.importClause;
    const kind = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword ? 'type' : 'value';
    return { specifier: node.moduleSpecifier.text, kind, names: namesOf(clause) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    const kind = node.isTypeOnly ? 'type' : 'value';
    return { specifier: (node.moduleSpecifier as ts.StringLiteral).text, kind, names: ['*'] };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    const literal = node.argument.literal as ts.StringLiteral;
    return { specifier: literal.text, kind: 'type', names: ['*'] };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const argument = node.arguments[0];
    const specifier = argument && ts.isStringLiteral(argument) ? argument.text : '(computed)';
    return { specifier, kind: 'dynamic', names: ['*'] };
  }
  if (ts.isNewExpression(node) && node.expression.getText() === 'URL') {
    const [specifier, base] = node.arguments ?? [];
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return null;
    if (!/\.[jt]s$/.test(specifier.text) || !isImportMetaUrl(base)) return null;
    return { specifier: specifier.text, kind: 'worker', names: ['*'] };
  }
  return null;
}

function effectOf(node: ts.Node): string | null {
  if (ts.isPropertyAccessExpression(node)) {
    const text = node.getText();
    if (EFFECT_MEMBERS.includes(text)) return text;
    const object = node.expression;
    return ts.isIdentifier(object) && EFFECT_OBJECTS.includes(object.text) ? text : null;
  }
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
    return EFFECT_CALLS.includes(node.expression.text) ? node.expression.text : null;
  }
  const isNow = ts.isNewExpression(node) && (node.arguments ?? []).length === 0;
  return isNow && node.expression.getText() === 'Date' ? 'new Date()' : null;
}

function functionName(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  const parent = node.parent;
  const named = ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent);
  return named
    ? parent.name.getText()
    : ts.isConstructorDeclaration(node)
      ? 'constructor'
      : '(arrow)';
}

/** Reads one TypeScript file: what it imports, its functions and its use of globals. */
export function parseSource(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const imports: Import[] = [];
  const functions: Located[] = [];
  const effects: Located[] = [];
  const lineAt = (position: number): number =>
    tree.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: ts.Node): void => {
    const line = lineAt(node.getStart());
    const lines = lineAt(node.end) - line + 1;
    const found = importOf(node);
    if (found !== null) {
      imports.push({ ...found, target: targetOf(path, found.specifier), line });
    }
    const effect = effectOf(node);
    if (effect !== null) effects.push({ name: effect, line, lines });
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      functions.push({ name: functionName(node), line, lines });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  return { path, lines, imports, functions, effects };
}

/** Every TypeScript file under the folders, parsed. */
export function readSources(...folders: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) => projectFiles(folder))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => parseSource(path, readProjectFile(path)));
}
