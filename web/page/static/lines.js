// Lines of text in bounded lists. What comes from outside reaches the page here
// and only as text: nothing in this page ever sets HTML.

import { dayAndTimeOf } from './times.js';

/** A new element with a class and a text. */
export function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** When something was said, as the reader's clock has it; with the day, if that was not today. */
export function timeCell(date) {
  const cell = element('time', '', dayAndTimeOf(date));
  cell.dateTime = date.toISOString();
  return cell;
}

/** A log (role=log) that keeps its newest lines and follows them, unless its reader has scrolled away. */
export class Lines {
  #log;
  #limit;
  #onMissed;
  #follows = true; // its end is in sight, or would be if there were room

  /**
   * @param {Element} log
   * @param {object} [options]
   * @param {number} [options.limit] lines kept
   * @param {function(boolean)} [options.onMissed] called with true when a line was
   *   added out of the reader's sight, with false when the end is in sight again
   */
  constructor(log, { limit = 200, onMissed = () => {} } = {}) {
    this.#log = log;
    this.#limit = limit;
    this.#onMissed = onMissed;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#follows && this.toEnd()).observe(log);
  }

  /** Appends a line made of the given elements and returns it. */
  add(className, ...cells) {
    const line = element('p', `line ${className}`);
    line.append(...cells);
    this.#log.append(line);
    while (this.#log.childElementCount > this.#limit) this.#log.firstElementChild.remove();
    if (this.#follows) this.toEnd();
    else this.#onMissed(true);
    return line;
  }

  /** Puts other elements into a line. */
  change(line, ...cells) {
    line.replaceChildren(...cells);
    if (this.#follows) this.toEnd();
  }

  remove(line) {
    line.remove();
  }

  isLast(line) {
    return this.#log.lastElementChild === line;
  }

  toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#log;
    this.#follows = scrollTop + clientHeight >= scrollHeight - 24;
    if (this.#follows) this.#onMissed(false);
  }
}
