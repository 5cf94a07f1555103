/**
 * A plot of curves over time, drawn as SVG.
 *
 * Rule: elements and attributes are set one by one, and text is text: nothing that is drawn is ever read as markup.
 */

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 640;
const HEIGHT = 200;
const LEFT = 60;
const BOTTOM = 22;
const TOP = 8;

/**
 * @param {number[]} times seconds ago, the oldest first: 300, 299, ..., 0
 * @param {{name: string, values: number[]}[]} curves of as many values each
 * @param {number} spanSeconds width of the plot
 * @returns {SVGElement}
 */
export function plotOf(times, curves, spanSeconds) {
  const most = topOf(Math.max(1, ...curves.flatMap(({ values }) => values)));
  const x = (ago) => WIDTH - ((WIDTH - LEFT) * ago) / spanSeconds;
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * value) / most;
  const plot = element('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': 'packets a second' });
  for (const share of [0, 0.5, 1]) {
    const line = { x1: LEFT, x2: WIDTH, y1: y(most * share), y2: y(most * share), class: 'grid' };
    plot.append(element('line', line));
    plot.append(label((most * share).toLocaleString('en-US'), LEFT - 6, y(most * share) + 4, 'end'));
  }
  for (const minutes of [1, 2, 3, 4].filter((one) => one * 60 < spanSeconds))
    plot.append(label(`${minutes} min ago`, x(minutes * 60), HEIGHT - 6, 'middle'));
  for (const { name, values } of curves) {
    const points = values.map((value, index) => `${x(times[index]).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    plot.append(element('polyline', { points, class: `curve ${name}` }));
  }
  return plot;
}

/** The next number of 1, 2 and 5 times a power of ten. */
function topOf(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((step) => step * power >= value) ?? 10);
}

function label(text, x, y, anchor) {
  const node = element('text', { x, y, 'text-anchor': anchor });
  node.textContent = text;
  return node;
}

function element(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}
