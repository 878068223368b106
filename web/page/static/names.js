// Names: this reader's own, and how the page shows those of others. Whoever is on
// a channel says what the name is, so it may be anything.

import { element } from './lines.js';

const KEY = 'belfry.name';
const SHOWN = 40; // characters
const HUES = 6; // as many as socketexample.css has

/** A name for one who has not chosen any: bells have names too. */
function newName() {
  const bells = ['Treble', 'Tenor', 'Bourdon', 'Sanctus', 'Angelus', 'Carillon', 'Curfew', 'Vesper'];
  return `${bells[Math.floor(Math.random() * bells.length)]} ${10 + Math.floor(Math.random() * 90)}`;
}

/** Storage may be switched off; then a name lasts as long as the page. */
export function rememberedName() {
  try {
    return localStorage.getItem(KEY) || newName();
  } catch {
    return newName();
  }
}

export function rememberName(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch { /* see rememberedName */ }
}

/** A text of at most so many characters, the last being an ellipsis where some are left out. */
export function cut(text, limit) {
  const characters = [...text.slice(0, 2 * limit)];
  return characters.length > limit ? `${characters.slice(0, limit).join('')}…` : text;
}

/** Whether there is anything to see of a name. */
function isVisible(name) {
  return /[^\p{Default_Ignorable_Code_Point}\p{C}\p{Z}\s\u2800]/u.test(name);
}

/** The name that a member has given, or the one that the server calls a nameless one by. */
export function memberName({ client, chan_info: info }) {
  const name = typeof info?.name === 'string' ? info.name.trim() : '';
  return isVisible(name) ? cut(name, SHOWN) : `guest-${client.slice(0, 5).toLowerCase()}`;
}

/** The same colour for the same name, everywhere. */
function hueOf(name) {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)) % 9973;
  return sum % HUES;
}

/** A name as an element that keeps its own direction of writing. */
export function nameTag(name) {
  const shown = cut(name, SHOWN);
  return element('bdi', `who hue-${hueOf(shown)}`, shown);
}
