// How the page writes times of day and spans of time.

const pad = (number, digits = 2) => String(number).padStart(digits, '0');

/** 18:39:10, local. */
export function timeOf(date) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(part => pad(part)).join(':');
}

/** 18:39:10 when that is today, 3 Mar 18:39 when it is another day; local. */
export function dayAndTimeOf(date) {
  if (date.toDateString() === new Date().toDateString()) return timeOf(date);
  const day = date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
  return `${day} ${timeOf(date).slice(0, 5)}`;
}

/** 18:39:10.042, local. */
export function preciseTimeOf(date) {
  return `${timeOf(date)}.${pad(date.getMilliseconds(), 3)}`;
}

/** 0.45 ms, 12 ms, 3.1 s, 4 min: as many digits as mean something. */
export function span(milliseconds) {
  if (milliseconds < 10) return `${Number(milliseconds.toPrecision(2))} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${Number((milliseconds / 1000).toFixed(1))} s`;
  return `${Math.round(milliseconds / 60_000)} min`;
}
