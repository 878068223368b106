// The line to the server: its state in the bar, always in view, and what
// happened each time it broke.

import { closeWords } from './codes.js';
import { element } from './lines.js';
import { span, timeOf } from './times.js';

const KEPT = 50; // breaks

const find = id => document.getElementById(id);

/** Shows the state in the bar; `aloud` is for screen readers, which are spared the countdown. */
function setBar(state, text, aloud = text) {
  find('bar').dataset.state = state;
  find('state').textContent = text;
  if (find('state-aloud').textContent !== aloud) find('state-aloud').textContent = aloud;
}

/** A row in the history of the line, newest first. */
function addRow(className, what) {
  const now = new Date();
  const row = element('li', className);
  const time = element('time', '', timeOf(now));
  time.dateTime = now.toISOString();
  const then = element('p', 'then');
  row.append(time, element('p', 'what', what), then);
  find('line-log').prepend(row);
  while (find('line-log').childElementCount > KEPT) find('line-log').lastElementChild.remove();
  return { since: now, tries: 0, row, then };
}

function triesIn(number) {
  return number === 1 ? 'one try' : `${number} tries`;
}

class Line {
  #broken = null; // the row of the break that lasts
  #everConnected = false;
  #countdown = null;

  show(event) {
    clearInterval(this.#countdown);
    find('cut').disabled = event.state !== 'connected';
    find('connect').hidden = event.state !== 'disconnected';
    this[event.state](event);
  }

  connecting({ attempt }) {
    const text = attempt > 1 || this.#broken ? 'Trying again' : 'Connecting';
    setBar('connecting', text, this.#broken ? 'Connection lost, trying again' : text);
    if (!this.#broken) return;
    this.#broken.tries++;
    this.#broken.then.textContent = `try ${this.#broken.tries} is under way`;
  }

  connected() {
    setBar('connected', 'Live', this.#everConnected ? 'Connected again' : 'Connected');
    if (this.#broken) this.#mend(this.#broken);
    else addRow('joined', 'connected');
    this.#broken = null;
    this.#everConnected = true;
  }

  #mend({ since, tries, row, then }) {
    const now = new Date();
    row.className = 'mended';
    then.textContent = `back at ${timeOf(now)}, after ${span(now - since)} and ${triesIn(tries)}`;
  }

  disconnected({ code, reason, retryIn }) {
    const words = closeWords(code, reason);
    this.#broken ??= addRow('broken', `${this.#everConnected ? 'lost' : 'not reached'}: ${words}`);
    if (retryIn === null) this.#ended(words);
    else this.#count(Date.now() + retryIn, retryIn);
  }

  #ended(words) {
    setBar('ended', 'Ended', `Connection ended: ${words}`);
    this.#broken.then.textContent = `ended for good: ${words}`;
  }

  #count(until, retryIn) {
    const { tries, then } = this.#broken;
    then.textContent = `next try in ${span(retryIn)}${tries ? `, ${triesIn(tries)} in vain` : ''}`;
    const tick = () => {
      const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1000));
      setBar('lost', `Lost · next try in ${seconds} s`, 'Connection lost, trying again');
    };
    tick();
    this.#countdown = setInterval(tick, 250);
  }
}

export function showLine(belfry) {
  const line = new Line();
  belfry.on('state', event => line.show(event));
  find('connect').addEventListener('click', () => belfry.connect());
  find('cut').addEventListener('click', () => belfry.reconnect());
}
