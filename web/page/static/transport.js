// What the sockets of this page go over: the menu that chooses it, what is in use,
// and how long a round trip takes. websocket.js does what is chosen here.

import { span } from './times.js';

const KEY = 'belfry.transport';
const MEASURE_EVERY = 3_000; // milliseconds
const NAMES = { websocket: 'WebSocket', events: 'event stream', stream: 'HTTP stream', poll: 'long-poll' };
const CHOICES = ['', ...Object.keys(NAMES)]; // values of the menu; empty: what works

const find = id => document.getElementById(id);

/** A transport as a reader calls it. */
export function transportName(transport) {
  return NAMES[transport] ?? 'a transport that is not known yet';
}

/** The choice lasts as long as the tab, or as the page where storage is switched off. */
function rememberedChoice() {
  try {
    const choice = sessionStorage.getItem(KEY);
    return CHOICES.includes(choice) ? choice : '';
  } catch {
    return '';
  }
}

function rememberChoice(choice) {
  try {
    sessionStorage.setItem(KEY, choice);
  } catch { /* see rememberedChoice */ }
}

/** Has the sockets that are made from now on go over one transport, or over what works. */
function force(choice) {
  globalThis.WEBSOCKET_FORCE_FALLBACK = choice || undefined;
}

/** Shows what is in use. A screen reader is told of another transport, not of each time. */
function showUse(belfry) {
  const text = belfry.state === 'connected' ? transportName(belfry.transport) : 'not connected';
  if (find('in-use').textContent !== text) find('in-use').textContent = text;
}

/** Times one command: up, through the server, and down again, over whatever is in use. */
async function measure(belfry) {
  const { client, transport } = belfry;
  const since = performance.now();
  const trip = await belfry.call('ping').then(() => span(performance.now() - since), error => error.message);
  if (client === belfry.client && transport === belfry.transport) find('round-trip').textContent = `, round trip ${trip}`;
}

/**
 * Takes the choice, also the one made before the page was loaded. Call it before
 * any socket is made; `onChoice` is told when the sockets are to be made anew.
 */
export function showTransport(belfry, onChoice) {
  const menu = find('transport');
  menu.value = rememberedChoice();
  force(menu.value);
  menu.addEventListener('change', () => {
    rememberChoice(menu.value);
    force(menu.value);
    onChoice();
  });

  const show = () => {
    find('round-trip').textContent = '';
    showUse(belfry);
    if (belfry.state === 'connected') measure(belfry);
  };
  belfry.on('state', show);
  belfry.on('transport', show);
  setInterval(() => {
    if (belfry.state === 'connected' && !document.hidden) measure(belfry);
  }, MEASURE_EVERY);
}
