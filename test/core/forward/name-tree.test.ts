import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandName } from '../../../src/core/dns/wire.ts';
import { NameTree } from '../../../src/core/forward/name-tree.ts';
import { wireName } from '../../support/dns-message.ts';

/** A message that names are written to one after the other, without compression. */
class Page {
  readonly bytes = new Uint8Array(65_535);
  readonly tree: NameTree = new NameTree(this.bytes);
  #at = 12;

  /** `question` is lower case; other names are written behind it. */
  constructor(question: string) {
    this.tree.begin(12 + wireName(question).length + 4);
    this.write(question);
    this.#at += 4;
  }

  write(name: string): void {
    const wire = wireName(name);
    this.bytes.set(wire, this.#at);
    this.tree.learn(wire, this.#at);
    this.#at += wire.length;
  }

  /** The known end of a name as it stands in the message, or null; it must be an end of the name. */
  end(name: string): string | null {
    const wire = wireName(name);
    const at = this.tree.find(wire);
    if (at === 0) return null;
    const found = expandName(this.bytes, at, this.bytes.length);
    assert.ok(found !== null);
    const text = Buffer.from(found).toString('latin1');
    const { foundBytes } = this.tree;
    assert.equal(foundBytes, found.length);
    const expected = Buffer.from(wire.subarray(wire.length - foundBytes)).toString('latin1');
    assert.equal(text.toLowerCase(), expected.toLowerCase());
    return text;
  }
}

const latin1 = (name: string): string => Buffer.from(wireName(name)).toString('latin1');

test('the longest end of a name that was written is found', () => {
  const page = new Page('www.example.');
  page.write('a.b.net.');
  assert.equal(page.end('x.a.b.net.'), latin1('a.b.net.'));
  assert.equal(page.end('b.net.'), latin1('b.net.'));
  assert.equal(page.end('a.net.'), latin1('net.'));
  assert.equal(page.end('a.b.org.'), null);
  assert.equal(page.end('.'), null);
});

test('names in the question are found in any case, others in the case they have', () => {
  const page = new Page('www.example.');
  page.write('a.Net.');
  assert.equal(page.end('WwW.eXample.'), latin1('www.example.'));
  assert.equal(page.end('a.Net.'), latin1('a.Net.'));
  assert.equal(page.end('a.net.'), null);
  assert.equal(page.end('A.Net.'), latin1('Net.'));
});

test('labels with the same octets are told apart by what is above them', () => {
  const page = new Page('x.');
  // All names of up to nine labels `a` and `b`, as far as pointers reach.
  const names = Array.from({ length: 850 }, (_, i) =>
    (i + 2).toString(2).slice(1).replaceAll('0', 'a.').replaceAll('1', 'b.'),
  );
  for (const name of names) page.write(name);
  for (const name of names) assert.equal(page.end(name), latin1(name));
});

test('with more labels than it remembers, what it finds is right', () => {
  const page = new Page('x.');
  const names = Array.from({ length: 3000 }, (_, i) => `${i.toString(36)}.`);
  for (const name of names) page.write(name);
  const found = names.filter((name) => page.end(name) !== null);
  assert.ok(found.length > 1900 && found.length < 2100, `${found.length} names`);
});

test('names from before are forgotten', () => {
  const page = new Page('x.');
  page.write('a.');
  page.tree.begin(12);
  assert.equal(page.end('a.'), null);
});
