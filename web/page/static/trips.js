// The round-trip times of the echo lab as a chart: a bar for each of the latest,
// and a line across at their median.

import { span } from './times.js';

const SVG = 'http://www.w3.org/2000/svg';
const KEPT = 60; // bars
const WIDTH = 400; // of the chart's viewBox
const HEIGHT = 100;

/** The middle value; of an even number the lower of the two in the middle. */
function median(values) {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1];
}

/** The least of 1, 2, 5, 10, 20 … that is not below the value. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(step => step * power).find(top => top >= value);
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export class Trips {
  #times = []; // milliseconds, oldest first
  #count = 0;
  #chart;
  #top;
  #sum;

  /** Draws into an SVG element, with the scale and the summary as texts beside it. */
  constructor(chart, top, sum) {
    this.#chart = chart;
    this.#top = top;
    this.#sum = sum;
  }

  add(milliseconds) {
    this.#count++;
    this.#times.push(Math.max(milliseconds, 0.01)); // a coarse clock may say 0
    if (this.#times.length > KEPT) this.#times.shift();
    this.#draw();
  }

  #draw() {
    const times = this.#times;
    const middle = median(times);
    const top = niceTop(Math.max(...times));
    const step = WIDTH / KEPT;
    const bars = times.map((time, index) => {
      const height = (time / top) * HEIGHT;
      const isLast = index === times.length - 1;
      return shape('rect', {
        class: isLast ? 'bar last' : 'bar', x: index * step + 1, width: step - 2, y: HEIGHT - height, height,
      });
    });
    const y = HEIGHT - (middle / top) * HEIGHT;
    this.#chart.replaceChildren(...bars, shape('line', { class: 'median', x1: 0, x2: WIDTH, y1: y, y2: y }));
    this.#top.textContent = span(top);
    this.#sum.textContent = `last ${span(times.at(-1))} · median ${span(middle)} · longest ${span(Math.max(...times))} · ${this.#count} in all`;
  }
}
