// Who is in the chat: the list over it, the count beside its heading, and a quiet
// line where somebody joins, leaves or takes another name.

import { Joins } from './joins.js';
import { element } from './lines.js';
import { memberName, nameTag } from './names.js';

const NAMED = 30; // names in the list, if there is room: the others are counted
const SETTLE = 400; // milliseconds without a change before the page changes
const SETTLE_MAX = 2_000; // … or since the first change, whichever is sooner
const TOLD_UP_TO = 12; // people: in a larger crowd nobody wants to hear of each
const RETURN = 30_000; // milliseconds: whoever is back by then has not been away
const COUNT_EVERY = 5_000; // milliseconds, where the server does not tell who is here

const find = id => document.getElementById(id);
const collator = new Intl.Collator(undefined, { numeric: true });

/** Names as a bag: name → how many bear it. */
function bagOf(names) {
  const bag = new Map();
  for (const name of names) bag.set(name, (bag.get(name) ?? 0) + 1);
  return bag;
}

/** Takes one of a name out of a bag, and says whether there was one. */
function takeOut(bag, name) {
  const count = bag.get(name) ?? 0;
  if (count) bag.set(name, count - 1);
  return count > 0;
}

/**
 * What has happened between two maps of client → name, but to the reader. A client
 * that leaves and one that joins by the same name are the same person.
 */
function changes(before, after, self) {
  const gone = bagOf([...before].filter(([client]) => !after.has(client)).map(([, name]) => name));
  const come = [...after].filter(([client]) => !before.has(client)).map(([, name]) => name);
  return {
    joined: come.filter(name => !takeOut(gone, name)),
    left: [...gone].flatMap(([name, count]) => Array(count).fill(name)),
    renamed: [...after].filter(([client, name]) => client !== self && (before.get(client) ?? name) !== name)
      .map(([client, name]) => [before.get(client), name]),
  };
}

export class People {
  #belfry;
  #channel;
  #joins;
  #list = find('chat-people');
  #more = element('li', 'more');

  #members = new Map(); // client → member, as last heard
  #names = new Map(); // client → name, as shown
  #anew = true; // what is shown next has nothing to do with what was before
  #away = bagOf([]); // names that were here when the connection was lost and are not back
  #awayUntil = 0;

  #timer = null; // of the settling
  #since = 0; // when the first change came that is not shown yet
  #counting = null; // timer of the count alone

  /** @param {Lines} lines the log that tells of joins and leaves */
  constructor(belfry, channel, lines) {
    this.#belfry = belfry;
    this.#channel = channel;
    this.#joins = new Joins(lines);
    belfry.on('state', ({ state }) => state === 'disconnected' && this.#lost());
    new ResizeObserver(() => this.#fit()).observe(this.#list);
  }

  /** Takes what a subscription's onMembers brings. */
  take(members) {
    clearTimeout(this.#timer);
    clearInterval(this.#counting);
    if (!members) return this.#untold();
    this.#members = members;
    const now = performance.now();
    this.#since ||= now;
    const wait = this.#anew ? 0 : Math.min(SETTLE, this.#since + SETTLE_MAX - now);
    this.#timer = setTimeout(() => this.#settle(), wait);
  }

  /** The names stay, dimmed: most of them will be there again. */
  #lost() {
    clearTimeout(this.#timer);
    clearInterval(this.#counting);
    this.#anew = true;
    this.#list.dataset.stale = true;
    this.#setCount('');
  }

  #settle() {
    this.#since = 0;
    const before = this.#names;
    this.#names = new Map([...this.#members].map(([client, member]) => [client, memberName(member)]));
    const { joined, left, renamed } = changes(before, this.#names, this.#belfry.client);
    if (this.#anew) this.#awaitReturns(left);
    else if (Math.max(before.size, this.#names.size) <= TOLD_UP_TO) {
      this.#joins.tell({ joined: joined.filter(name => !this.#isBack(name)), left, renamed });
    }
    this.#anew = false;
    this.#show();
  }

  /** Everybody's connection may have been lost with ours: then they come back one by one. */
  #awaitReturns(names) {
    this.#away = bagOf(names);
    this.#awayUntil = performance.now() + RETURN;
  }

  #isBack(name) {
    return performance.now() < this.#awayUntil && takeOut(this.#away, name);
  }

  #show() {
    this.#list.hidden = false;
    this.#list.dataset.stale = false;
    this.#list.replaceChildren(...this.#items(), this.#more);
    this.#setCount(`${this.#names.size} present`);
    this.#fit();
  }

  #setCount(text) {
    find('chat-present').textContent = text;
  }

  /** The reader first, then by name. */
  #items() {
    const self = this.#belfry.client;
    const rank = ([client]) => (client === self ? 0 : 1);
    const sorted = [...this.#names].sort((a, b) => rank(a) - rank(b) || collator.compare(a[1], b[1]));
    return sorted.slice(0, NAMED).map(([client, name]) => {
      const item = element('li', client === self ? 'self' : '');
      item.append(nameTag(name));
      if (client === self) item.append(element('span', 'you', ' (you)'));
      return item;
    });
  }

  /** Hides the names for which there is no room, and says how many are not shown. */
  #fit() {
    const items = [...this.#list.children].filter(item => item !== this.#more);
    for (const item of items) item.hidden = false;
    let shown = items.length;
    const say = () => {
      this.#more.hidden = shown === this.#names.size;
      this.#more.textContent = this.#more.hidden ? '' : `+ ${this.#names.size - shown} more`;
    };
    for (say(); shown > 1 && this.#list.scrollHeight > this.#list.clientHeight; say()) items[--shown].hidden = true;
  }

  /** The server does not say who is here; how many there are it may say. */
  #untold() {
    this.#anew = true;
    this.#names = new Map();
    this.#list.hidden = true;
    this.#setCount('');
    this.#count();
    this.#counting = setInterval(() => document.hidden || this.#count(), COUNT_EVERY);
  }

  async #count() {
    try {
      const { num_clients: count } = await this.#belfry.call('presence_stats', { channel: this.#channel });
      if (this.#list.hidden) this.#setCount(Number.isInteger(count) ? `${count} present` : '');
    } catch (error) {
      if (error.temporary) return;
      clearInterval(this.#counting);
      this.#setCount('');
    }
  }
}
