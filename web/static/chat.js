// The chat: messages {name, text} on the channel `chat`, and whatever a backend
// publishes there.

import { element, Lines } from './lines.js';
import { span, timeOf } from './times.js';

const CHANNEL = 'chat';
const NAME_KEY = 'belfry.name';
const NAME_MAX = 40; // characters shown of a name, and of a text
const TEXT_MAX = 4000;
const PRESENCE_EVERY = 5_000; // milliseconds
const OPENING = 50; // messages shown of what was said before the page was opened
const HUES = 6; // as many as socketexample.css has

const find = id => document.getElementById(id);

// -- Names -------------------------------------------------------------------

/** A name for one who has not chosen any: bells have names too. */
function newName() {
  const bells = ['Treble', 'Tenor', 'Bourdon', 'Sanctus', 'Angelus', 'Carillon', 'Curfew', 'Vesper'];
  return `${bells[Math.floor(Math.random() * bells.length)]} ${10 + Math.floor(Math.random() * 90)}`;
}

/** Storage may be switched off; then a name lasts as long as the page. */
function rememberedName() {
  try {
    return localStorage.getItem(NAME_KEY) || newName();
  } catch {
    return newName();
  }
}

function rememberName(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch { /* see rememberedName */ }
}

/** The same colour for the same name, everywhere. */
function hueOf(name) {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)) % 9973;
  return sum % HUES;
}

// -- Lines -------------------------------------------------------------------

function cut(text, limit) {
  const characters = [...text.slice(0, 2 * limit)];
  return characters.length > limit ? `${characters.slice(0, limit).join('')}…` : text;
}

/** Who says what in a message of any shape: {name, text, code}, code when it is JSON that nobody says. */
function read(data) {
  if (typeof data === 'string') return { text: data };
  if (typeof data?.text === 'string') {
    return { name: typeof data.name === 'string' ? data.name.trim() : '', text: data.text };
  }
  return { text: JSON.stringify(data) ?? '', code: true };
}

/** Only what no client has published may be the server's; a client without a name is anonymous. */
function nameCell(name, info) {
  if (!name && !info) return element('bdi', 'who server', 'server');
  const shown = cut(name || 'anonymous', NAME_MAX);
  return element('bdi', `who hue-${hueOf(shown)}`, shown);
}

function timeCell(date) {
  const cell = element('time', '', timeOf(date));
  cell.dateTime = date.toISOString();
  return cell;
}

/** One message as the cells of a line. */
function cellsOf({ data, info, time }) {
  const { name, text, code } = read(data);
  const said = element(code ? 'code' : 'span', 'text', cut(text, TEXT_MAX));
  said.dir = 'auto';
  return [timeCell(time ? new Date(time) : new Date()), nameCell(name, info), ' ', said];
}

function note(lines, text) {
  lines.add('note', timeCell(new Date()), element('span', 'text', text));
}

/** The bell in the bar swings for a message. */
function ring() {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const swing = [0, 14, -11, 7, -4, 0].map(angle => ({ transform: `rotate(${angle}deg)` }));
  find('bell').animate(swing, { duration: 900, easing: 'ease-in-out' });
}

/** Shows messages as they come, after those from before the page was opened. */
function listen(belfry, lines) {
  let held = []; // what comes while the earlier messages are asked for
  const show = message => {
    find('chat-empty').hidden = true;
    lines.add('said', ...cellsOf(message));
  };
  belfry.subscribe(CHANNEL, message => {
    if (held) return held.push(message);
    show(message);
    ring();
  });
  const opened = belfry.on('subscribed', async ({ channel, offset }) => {
    if (channel !== CHANNEL) return;
    opened();
    for (const message of await earlier(belfry, offset)) show(message);
    for (const message of held) show(message);
    held = null;
  });
}

/** What was said up to a position, as far as the server remembers. */
async function earlier(belfry, until) {
  if (!until) return [];
  try {
    const { publications = [] } = await belfry.call('history', { channel: CHANNEL, limit: OPENING, reverse: true });
    return publications.filter(({ offset }) => offset <= until).reverse();
  } catch {
    return []; // the chat goes on without
  }
}

/** Says in the chat what a reader cannot know: that there is a gap. */
function noteGaps(belfry, lines) {
  let lostAt = null;
  belfry.on('state', ({ state }) => {
    if (state === 'disconnected') lostAt ??= Date.now();
  });
  belfry.on('subscribed', ({ channel, recovered, missed }) => {
    if (channel !== CHANNEL || lostAt === null) return;
    const said = !recovered ? 'what was said meanwhile is not here'
      : missed ? `${missed} of the messages above came meanwhile` : 'nothing was said meanwhile';
    note(lines, `You were away for ${span(Date.now() - lostAt)}; ${said}.`);
    lostAt = null;
  });
  belfry.on('unsubscribed', ({ channel, code, reason }) => {
    if (channel === CHANNEL) note(lines, `The server has ended the chat for you: ${code}, ${reason}`);
  });
}

// -- People --------------------------------------------------------------------

function setPresent(count) {
  find('chat-present').textContent = Number.isInteger(count) ? `${count} present` : '';
}

/** Asks how many are here, on subscribing and every few seconds, unless the server does not tell. */
function countPresent(belfry) {
  let told = false;
  const ask = async () => {
    try {
      const { num_clients: count = 0 } = await belfry.call('presence_stats', { channel: CHANNEL });
      setPresent(count);
    } catch (error) {
      if (!error.temporary) told = false;
      setPresent(null);
    }
  };
  belfry.on('subscribed', ({ channel }) => {
    if (channel !== CHANNEL) return;
    told = true;
    ask();
  });
  belfry.on('state', ({ state }) => {
    if (state === 'connected') return;
    told = false;
    setPresent(null);
  });
  setInterval(() => told && !document.hidden && ask(), PRESENCE_EVERY);
}

// -- Speaking ------------------------------------------------------------------

async function speak(belfry, name, field) {
  const text = field.value.trim();
  if (!text || !name) return;
  field.value = '';
  try {
    await belfry.publish(CHANNEL, { name, text });
    find('chat-fault').textContent = '';
  } catch (error) {
    field.value ||= text; // nothing typed is lost
    find('chat-fault').textContent = `Not sent: ${error.message}`;
  }
}

function takeForm(belfry) {
  const name = find('chat-name');
  name.value = rememberedName();
  belfry.on('state', ({ state }) => {
    if (state === 'connected') find('chat-fault').textContent = '';
  });
  name.addEventListener('change', () => rememberName(name.value.trim()));
  find('chat-form').addEventListener('submit', event => {
    event.preventDefault();
    rememberName(name.value.trim());
    speak(belfry, name.value.trim(), find('chat-text'));
  });
}

export function showChat(belfry) {
  const newer = find('chat-newer');
  const lines = new Lines(find('chat-log'), { onMissed: missed => { newer.hidden = !missed; } });
  newer.addEventListener('click', () => {
    lines.toEnd();
    find('chat-log').focus();
  });
  listen(belfry, lines);
  noteGaps(belfry, lines);
  countPresent(belfry);
  takeForm(belfry);
}
