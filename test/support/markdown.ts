/** A fenced block of a Markdown file. */
export interface FencedBlock {
  /** What stands behind the opening fence, such as `sh test`. */
  readonly info: string;
  /** Line of the opening fence, counted from 1. */
  readonly line: number;
  readonly text: string;
}

/** The fenced blocks of a Markdown text, in order. */
export function fencedBlocks(markdown: string): FencedBlock[] {
  const blocks: FencedBlock[] = [];
  let open: { fence: string; info: string; line: number; lines: string[] } | null = null;
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^\s*(`{3,}|~{3,})(.*)$/.exec(line);
    if (open === null && fence !== null) {
      const [, mark = '', info = ''] = fence;
      open = { fence: mark, info: info.trim(), line: index + 1, lines: [] };
    } else if (open !== null && line.trim() === open.fence) {
      const { info, line: start, lines } = open;
      blocks.push({ info, line: start, text: lines.map((text) => `${text}\n`).join('') });
      open = null;
    } else {
      open?.lines.push(line);
    }
  }
  return blocks;
}

/** A Markdown text with its fenced blocks blanked out; lines keep their numbers. */
export function withoutFencedBlocks(markdown: string): string {
  const lines = markdown.split('\n');
  for (const { line, text } of fencedBlocks(markdown)) {
    const length = text === '' ? 0 : text.split('\n').length - 1;
    lines.fill('', line - 1, line + 1 + length);
  }
  return lines.join('\n');
}
