// Lines of text in bounded lists. What comes from outside reaches the page here
// and only as text: nothing in this page ever sets HTML.

/** A new element with a class and a text. */
export function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** A log (role=log) that keeps its newest lines and follows them, unless its reader has scrolled away. */
export class Lines {
  #log;
  #limit;
  #onMissed;

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
    log.addEventListener('scroll', () => this.#atEnd() && onMissed(false), { passive: true });
  }

  /** Appends a line made of the given elements and returns it. */
  add(className, ...cells) {
    const follow = this.#atEnd();
    const line = element('p', `line ${className}`);
    line.append(...cells);
    this.#log.append(line);
    while (this.#log.childElementCount > this.#limit) this.#log.firstElementChild.remove();
    if (follow) this.toEnd();
    else this.#onMissed(true);
    return line;
  }

  toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #atEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.#log;
    return scrollTop + clientHeight >= scrollHeight - 24;
  }
}
