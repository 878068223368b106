// Joins and leaves as a line of the log: one line for as long as nobody speaks,
// which changes and goes away again when all that it says is undone.

import { element, timeCell } from './lines.js';
import { nameTag } from './names.js';

const NAMED = 3; // of those who did the same; the others are counted

/** Takes one item out of a list, and says whether it was there. */
function takeOut(list, item) {
  const index = list.indexOf(item);
  if (index >= 0) list.splice(index, 1);
  return index >= 0;
}

/** "Ada, Bob and 2 more", as nodes. */
function enumerate(names) {
  const shown = names.length > NAMED ? names.slice(0, NAMED - 1) : names;
  const parts = shown.map(nameTag);
  if (shown.length < names.length) parts.push(`${names.length - shown.length} more`);
  return parts.flatMap((part, index) => [index === 0 ? '' : index === parts.length - 1 ? ' and ' : ', ', part]);
}

export class Joins {
  #lines;
  #line = null;
  #joined = []; // names
  #left = [];
  #renamed = []; // [from, to]

  constructor(lines) {
    this.#lines = lines;
  }

  /** Adds names that have joined and left, and pairs of names before and after. */
  tell({ joined, left, renamed }) {
    if (!joined.length && !left.length && !renamed.length) return;
    if (!this.#line || !this.#lines.isLast(this.#line)) this.#begin();
    for (const name of left) takeOut(this.#joined, name) || this.#left.push(name);
    for (const name of joined) takeOut(this.#left, name) || this.#joined.push(name);
    for (const pair of renamed) this.#rename(pair);
    this.#write();
  }

  #begin() {
    this.#line = null;
    this.#joined = [];
    this.#left = [];
    this.#renamed = [];
  }

  #rename([from, to]) {
    if (takeOut(this.#joined, from)) return this.#joined.push(to);
    const before = this.#renamed.findIndex(pair => pair[1] === from);
    const first = before < 0 ? from : this.#renamed.splice(before, 1)[0][0];
    if (first !== to) this.#renamed.push([first, to]);
  }

  #write() {
    const words = this.#sentences();
    if (!words.length && this.#line) {
      this.#lines.remove(this.#line);
      this.#line = null;
    }
    if (!words.length) return;
    const text = element('span', 'text');
    text.append(...words);
    const cells = [timeCell(new Date()), text];
    if (this.#line) this.#lines.change(this.#line, ...cells);
    else this.#line = this.#lines.add('note joins', ...cells);
  }

  #sentences() {
    const renamed = this.#renamed.slice(-NAMED);
    return [
      ...this.#joined.length ? [...enumerate(this.#joined), ' joined. '] : [],
      ...this.#left.length ? [...enumerate(this.#left), ' left. '] : [],
      ...renamed.flatMap(([from, to]) => [nameTag(from), ' is now ', nameTag(to), '. ']),
    ];
  }
}
