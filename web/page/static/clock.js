// The clock: a dial of sixty marks round the time in type. It moves only when a
// message of the channel `date` comes; without the server it stands still.

const SVG = 'http://www.w3.org/2000/svg';
const HOURS = ['XII', 'I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX', 'X', 'XI'];

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const find = id => document.getElementById(id);

/** The point at a radius and a number of sixtieths, clockwise from the top. */
function at(radius, sixtieths) {
  const angle = (sixtieths * Math.PI) / 30;
  return { x: radius * Math.sin(angle), y: -radius * Math.cos(angle) };
}

function draw(parent, tag, attributes, text = '') {
  const shape = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
  shape.textContent = text;
  parent.append(shape);
  return shape;
}

function word(parent, className, { x, y }, text = '') {
  return draw(parent, 'text', { class: className, x: x.toFixed(1), y: y.toFixed(1) }, text);
}

function mark(parent, second) {
  const inner = at(second % 5 ? 180 : 173, second);
  const outer = at(191, second);
  return draw(parent, 'line', { class: 'mark', x1: inner.x, y1: inner.y, x2: outer.x, y2: outer.y });
}

/** Draws the dial and returns what moves in it. */
function drawDial(dial) {
  const ring = draw(dial, 'circle', { class: 'ring', r: 12 });
  return {
    ring,
    marks: Array.from({ length: 60 }, (_, second) => mark(dial, second)),
    hours: HOURS.map((hour, index) => word(dial, 'hour', at(150, index * 5), hour)),
    day: word(dial, 'day', { x: 0, y: -72 }),
    time: word(dial, 'time', { x: 0, y: 6 }, '–:–'),
    second: word(dial, 'second', { x: 0, y: 74 }),
    half: word(dial, 'half', { x: 0, y: 108 }),
  };
}

/** The hour and minute as this reader's locale writes them, and "am" or "pm" where it does. */
function localTime(date) {
  const parts = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' }).formatToParts(date);
  const part = type => parts.find(each => each.type === type)?.value ?? '';
  return { time: `${part('hour')}:${part('minute')}`, half: part('dayPeriod') };
}

function setDial(face, date) {
  const { time, half } = localTime(date);
  const second = date.getSeconds();
  face.day.textContent = date.toLocaleDateString(undefined, { weekday: 'long' });
  face.time.textContent = time;
  face.second.textContent = String(second).padStart(2, '0');
  face.half.textContent = half;
  face.marks.forEach((each, index) => {
    each.setAttribute('class', index === second ? 'mark now' : index < second ? 'mark past' : 'mark');
  });
  face.hours.forEach((each, index) => each.setAttribute('class', index === date.getHours() % 12 ? 'hour now' : 'hour'));
}

/** One stroke of the bell: a ring that spreads from the second's mark. */
function strike(ring, second) {
  if (calm.matches) return;
  const { x, y } = at(182, second);
  ring.setAttribute('cx', x);
  ring.setAttribute('cy', y);
  ring.animate([{ opacity: 0.9, r: '3px' }, { opacity: 0, r: '17px' }], { duration: 800, easing: 'ease-out' });
}

/** Sets the words round the dial, which a screen reader finds too. */
function setWords(date, text) {
  find('clock-text').textContent = text;
  if (Number.isNaN(date.getTime())) return;
  find('clock-time').textContent = date.toLocaleTimeString();
  find('clock-time').dateTime = date.toISOString();
  find('clock-date').textContent = date.toLocaleDateString(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
  find('clock-zone').textContent = Intl.DateTimeFormat().resolvedOptions().timeZone.replaceAll('_', ' ');
}

/** Keeps the clock on the channel `date`, whose messages are dates in the form of HTTP. */
export function showClock(belfry) {
  const clock = find('clock');
  const face = drawDial(find('dial'));

  belfry.subscribe('date', ({ data }) => {
    const date = new Date(data);
    setWords(date, typeof data === 'string' ? data : JSON.stringify(data));
    if (Number.isNaN(date.getTime())) return;
    setDial(face, date);
    strike(face.ring, date.getSeconds());
    clock.dataset.state = 'striking';
  });

  belfry.on('state', ({ state }) => {
    if (state !== 'disconnected' || clock.dataset.state !== 'striking') return;
    clock.dataset.state = 'stopped';
    find('clock-zone').textContent = 'Stopped: the line is down';
  });
}
