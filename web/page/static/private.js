// The private line: a connection as the user of a token, beside the one of the clock
// and the chat, which goes on as nobody in particular.

import { Belfry } from '../belfry.mjs';
import { closeWords } from './codes.js';
import { home } from './curl.js';
import { element, Lines, timeCell } from './lines.js';
import { cut, nameTag } from './names.js';
import { dayAndTimeOf, span } from './times.js';
import { tokens } from './tokens.js';

const TEXT_MAX = 4000; // characters shown of a text

const find = id => document.getElementById(id);

/** Until when a token is good, by its own word: to be shown, and for nothing else. */
function endOf(token) {
  try {
    const { exp } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    return typeof exp === 'number' && Math.abs(exp) < 1e12 ? new Date(exp * 1000) : null;
  } catch {
    return null;
  }
}

function untilWords(token) {
  const end = endOf(token);
  if (!end) return 'its token does not say';
  const left = end - Date.now();
  return left > 0 ? `${dayAndTimeOf(end)}, in ${span(left)}` : `${dayAndTimeOf(end)}, which is over`;
}

/** What to say of a connection that has ended for good. */
function endWords(code, reason) {
  const why = code === 109 ? 'it has expired' : closeWords(code, reason);
  return `This token is not taken: ${why}. belfry token check says more.`;
}

class Private {
  #lines = new Lines(find('private-log'));
  #belfry = null;
  #subscription = null;

  show(token) {
    this.leave();
    find('private-fault').textContent = '';
    find('private-leave').disabled = false;
    find('private-until').textContent = untilWords(token);
    const belfry = this.#belfry = new Belfry(home, { token });
    const mine = listener => event => belfry === this.#belfry && listener(event);
    belfry.on('state', mine(event => this[event.state](event)));
    belfry.on('subscribed', mine(({ channel }) => this.#note(`You hear ${channel}.`)));
    belfry.on('unsubscribed', mine(({ channel, reason }) => this.#refused(channel, reason)));
  }

  leave() {
    const belfry = this.#belfry;
    this.#belfry = this.#subscription = null; // before it says that it has ended
    belfry?.disconnect();
    find('private-leave').disabled = true;
    find('private-until').textContent = '–';
    find('private-empty').textContent = 'Nothing yet. Show a token first.';
    find('private-channel').value = '';
    this.#setUser('', '');
  }

  reconnect() {
    if (!this.#belfry || this.#belfry.state === 'disconnected') return;
    this.#belfry.reconnect('another transport was chosen');
    this.#belfry.connect();
  }

  /** Hears the channel in the field, and no other. */
  listen() {
    const channel = find('private-channel').value.trim();
    if (!this.#belfry || channel === this.#subscription?.channel) return;
    this.#subscription?.unsubscribe();
    this.#subscription = channel ? this.#belfry.subscribe(channel, message => this.#hear(message)) : null;
  }

  async say() {
    const field = find('private-text');
    const text = field.value;
    field.value = '';
    try {
      await this.#belfry.publish(find('private-channel').value.trim(), text);
      find('private-said').textContent = '';
    } catch (error) {
      field.value ||= text;
      find('private-said').textContent = `Not sent: ${error.message}. What a backend publishes there you hear all the same.`;
    }
  }

  connecting() {
    find('private-state').textContent = 'connecting';
  }

  connected({ user }) {
    this.#setUser(user, 'live');
    find('private-channel').value ||= user ? `user:${user}:line` : 'news';
    find('private-empty').textContent = '';
    this.listen();
  }

  disconnected({ code, reason, retryIn }) {
    if (retryIn !== null) return this.#setUser('', 'lost, trying again');
    this.leave();
    find('private-fault').textContent = endWords(code, reason);
  }

  #setUser(user, state) {
    const live = state === 'live';
    find('private-user').textContent = user || 'nobody in particular';
    find('private-user').dataset.known = Boolean(user);
    find('private-state').textContent = state;
    for (const id of ['private-channel', 'private-text', 'private-send']) find(id).disabled = !live;
  }

  #hear({ data, info }) {
    const who = info ? nameTag(info.user || 'anonymous') : element('bdi', 'who server', 'server');
    const text = element('span', 'text', cut(typeof data === 'string' ? data : JSON.stringify(data), TEXT_MAX));
    text.dir = 'auto';
    this.#lines.add('said', timeCell(new Date()), who, ' ', text);
  }

  /** Notes it, so that the same channel can be tried again. */
  #refused(channel, reason) {
    if (this.#subscription?.channel === channel) this.#subscription = null;
    this.#note(`The server does not let you hear ${channel}: ${reason}.`);
  }

  #note(text) {
    this.#lines.add('note', timeCell(new Date()), element('span', 'text', text));
  }
}

/** Returns a function that connects again, over the transport that was chosen. */
export function showPrivate() {
  find('private-how').hidden = tokens;
  find('private-bench').hidden = find('private-line').hidden = !tokens;
  if (!tokens) return () => {};
  const line = new Private();
  find('private-form').addEventListener('submit', event => {
    event.preventDefault();
    line.show(find('private-token').value.trim());
  });
  find('private-leave').addEventListener('click', () => {
    find('private-token').value = '';
    line.leave();
  });
  find('private-channel').addEventListener('change', () => line.listen());
  find('private-say').addEventListener('submit', event => {
    event.preventDefault();
    line.say();
  });
  return () => line.reconnect();
}
