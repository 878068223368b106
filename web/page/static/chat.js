// The chat: messages {name, text} on the channel `chat`, and whatever a backend
// publishes there.

import { element, Lines, timeCell } from './lines.js';
import { cut, nameTag, rememberedName, rememberName } from './names.js';
import { People } from './people.js';
import { span } from './times.js';

const CHANNEL = 'chat';
const TEXT_MAX = 4000; // characters shown of a text
const OPENING = 50; // messages shown of what was said before the page was opened
const RENAME_AFTER = 1_000; // milliseconds without a key
const UNNOTICED = 1_000; // milliseconds

const find = id => document.getElementById(id);

// -- Lines -------------------------------------------------------------------

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
  return !name && !info ? element('bdi', 'who server', 'server') : nameTag(name || 'anonymous');
}

/** One message as the cells of a line; `when` it was said, if anybody knows. */
function cellsOf({ data, info }, when) {
  const { name, text, code } = read(data);
  const said = element(code ? 'code' : 'span', 'text', cut(text, TEXT_MAX));
  said.dir = 'auto';
  return [...when ? [timeCell(when)] : [], nameCell(name, info), ' ', said];
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
function listen(belfry, lines, options) {
  let held = []; // what comes while the earlier messages are asked for
  const show = (message, when) => lines.add('said', ...cellsOf(message, message.time ? new Date(message.time) : when));
  const subscription = belfry.subscribe(CHANNEL, message => {
    if (held) return held.push(message);
    show(message, new Date());
    ring();
  }, options);
  let until; // the position at which live messages began
  belfry.on('subscribed', async ({ channel, offset }) => {
    if (channel !== CHANNEL || !held) return;
    until ??= offset;
    find('chat-empty').textContent = 'Quiet so far. What is said while you are here appears here.';
    const past = await earlier(belfry, until);
    if (!held || belfry.state !== 'connected') return; // it is done, or will be after the next connection
    for (const message of past) show(message);
    for (const message of held) show(message, new Date());
    held = null;
  });
  return subscription;
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

/** Says in the chat what a reader cannot know: that there is a gap, or was one for a while. */
function noteGaps(belfry, lines) {
  let lostAt = null;
  belfry.on('state', ({ state }) => {
    if (state === 'disconnected') lostAt ??= Date.now();
  });
  belfry.on('subscribed', ({ channel, recovered, was_recovering: wasRecovering, missed }) => {
    if (channel !== CHANNEL) return;
    if (lostAt === null) {
      if (wasRecovering && !recovered) note(lines, 'Some of what was said just now is not here.');
      return;
    }
    const away = Date.now() - lostAt;
    lostAt = null;
    if (recovered && !missed && away < UNNOTICED) return; // as after a change of transport
    const said = !recovered ? 'what was said meanwhile is not here'
      : missed ? `${missed} of the messages above came meanwhile` : 'nothing was said meanwhile';
    note(lines, `You were away for ${span(away)}; ${said}.`);
  });
  belfry.on('unsubscribed', ({ channel, code, reason }) => {
    if (channel === CHANNEL) note(lines, `The server has ended the chat for you: ${code}, ${reason}`);
  });
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

/** Tells the others the name in the field, when its writer seems to be done. */
function takeName(field, subscription) {
  let pause = null;
  const take = () => {
    clearTimeout(pause);
    const name = field.value.trim();
    if (!name) return; // the one before stays
    rememberName(name);
    subscription.setData({ name });
  };
  field.addEventListener('input', () => {
    clearTimeout(pause);
    pause = setTimeout(take, RENAME_AFTER);
  });
  field.addEventListener('change', take);
  return take;
}

function takeForm(belfry, subscription) {
  const name = find('chat-name');
  const settle = takeName(name, subscription);
  belfry.on('state', ({ state }) => {
    if (state === 'connected') find('chat-fault').textContent = '';
  });
  find('chat-form').addEventListener('submit', event => {
    event.preventDefault();
    settle();
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
  find('chat-name').value = rememberedName();
  const people = new People(belfry, CHANNEL, lines);
  const subscription = listen(belfry, lines, {
    data: { name: find('chat-name').value },
    onMembers: (members, whole) => people.take(members, whole),
  });
  noteGaps(belfry, lines);
  takeForm(belfry, subscription);
}
