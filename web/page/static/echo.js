// The echo lab: a plain WebSocket to any echo server, with every line timed.

import { closeWords } from './codes.js';
import { home } from './curl.js';
import { element, Lines } from './lines.js';
import { preciseTimeOf, span } from './times.js';
import { transportName } from './transport.js';
import { Trips } from './trips.js';

const WAITING_MAX = 200; // messages whose echo may be outstanding
const PEAL = 20; // messages
const PEAL_EVERY = 100; // milliseconds

const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

const find = id => document.getElementById(id);

/** The messages that have gone up and not come back, oldest first. */
class Waiting {
  #sent = [];

  add(text) {
    this.#sent.push({ text, at: performance.now() });
    if (this.#sent.length > WAITING_MAX) this.#sent.shift();
  }

  /** The milliseconds that this text was away, or undefined when it is no echo. */
  take(text) {
    const index = this.#sent.findIndex(sent => sent.text === text);
    if (index < 0) return undefined;
    return performance.now() - this.#sent.splice(0, index + 1).at(-1).at;
  }

  clear() {
    this.#sent = [];
  }
}

class EchoLab {
  #socket = null;
  #peal = null;
  #waiting = new Waiting();
  #trips = new Trips(find('trips'), find('trips-top'), find('trips-sum'));
  #lines = new Lines(find('echo-log'));

  connect(url) {
    try {
      this.#socket = new WebSocket(url);
    } catch (error) {
      return this.#say(`“${url}” is no address of a WebSocket: want ws:// or wss:// (${error.name})`);
    }
    this.#show();
    this.#log('note', '·', `connecting to ${url}`);
    this.#socket.onopen = () => this.#opened();
    this.#socket.onmessage = ({ data }) => this.#received(data);
    this.#socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  disconnect() {
    this.#socket?.close(1000);
  }

  /** Makes the connection anew, if there is one; its transport may be another then. */
  reconnect() {
    const socket = this.#socket;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
    this.#ended('closed for another transport');
    this.connect(socket.url);
  }

  send(text) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#waiting.add(text);
    this.#socket.send(text);
    this.#log('up', '↑', text);
  }

  /** Sends a text many times, numbered, at a steady beat. */
  peal(text) {
    let number = 0;
    clearInterval(this.#peal);
    this.#peal = setInterval(() => {
      this.send(`${text} ${++number}`);
      if (number === PEAL) clearInterval(this.#peal);
    }, PEAL_EVERY);
  }

  #opened() {
    this.#say(`connected, over ${transportName(this.#socket.transport)}`);
    this.#show();
  }

  #received(data) {
    if (typeof data !== 'string') return this.#log('down', '↓', `${data.size} bytes of binary data`);
    const trip = this.#waiting.take(data);
    if (trip === undefined) return this.#log(HTTP_DATE.test(data) ? 'down date' : 'down', '↓', data);
    this.#trips.add(trip);
    this.#log('down echo', '↓', data, span(trip));
    find('echo-aloud').textContent = `Echo after ${span(trip)}: ${data}`;
  }

  #closed(code, reason) {
    this.#ended(`closed: ${closeWords(code, reason)}`);
  }

  #ended(text) {
    this.#socket = null;
    clearInterval(this.#peal);
    this.#waiting.clear();
    this.#say(text);
    this.#show();
  }

  /** A line of our own, read aloud as well. */
  #say(text) {
    this.#log('note', '·', text);
    find('echo-aloud').textContent = text;
  }

  #log(className, arrow, text, trip = '') {
    const sign = element('span', 'sign', arrow);
    sign.ariaHidden = 'true';
    this.#lines.add(className, element('time', '', preciseTimeOf(new Date())), sign,
      element('span', 'text', text), element('span', 'trip', trip));
  }

  /** Which buttons work now; the focus does not stay on one that does not. */
  #show() {
    const focused = document.activeElement;
    const open = this.#socket?.readyState === WebSocket.OPEN;
    find('echo-open').disabled = Boolean(this.#socket);
    find('echo-close').disabled = !this.#socket;
    find('echo-submit').disabled = find('echo-peal').disabled = !open;
    if (focused?.disabled && focused.closest('.bench')) find(this.#socket ? 'echo-text' : 'echo-open').focus();
  }
}

/** Returns what makes the lab's connection anew. */
export function showEcho() {
  const lab = new EchoLab();
  const url = find('echo-url');
  const text = find('echo-text');
  url.value = `${home.replace(/^http/, 'ws')}echo`;

  find('echo-connect').addEventListener('submit', event => {
    event.preventDefault();
    lab.connect(url.value.trim());
  });
  find('echo-close').addEventListener('click', () => lab.disconnect());
  addEventListener('pagehide', () => lab.disconnect()); // the browser may keep the page, and the connection with it
  find('echo-send').addEventListener('submit', event => {
    event.preventDefault();
    lab.send(text.value);
  });
  find('echo-peal').addEventListener('click', () => lab.peal(text.value));
  find('echo-dates').addEventListener('change', event => {
    find('echo-log').classList.toggle('dateless', !event.target.checked);
  });
  return () => lab.reconnect();
}
