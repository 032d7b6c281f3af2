// What the page draws, unpacked: tools/topo/pair_planes.h says how it is packed.
const report = JSON.parse(document.getElementById('data').textContent);
const notAsked = 0, noFigure = 1, firstCode = 2, lastCode = 65535;

function bytesOf(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

function wordsOf(text) {
  const bytes = bytesOf(text);
  const words = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < words.length; i++) words[i] = bytes[2 * i] | bytes[2 * i + 1] << 8;
  return words;
}

// A quantity of all pairs under one load, by place: the k-th rank in the order of the page is rank report.order[k].
class Plane {
  constructor(packed) {
    Object.assign(this, {what: packed.what, load: packed.load, reasons: packed.reasons});
    this.p50 = wordsOf(packed.p50);
    this.p99 = wordsOf(packed.p99);
    this.below = bytesOf(packed.below);
    this.above = bytesOf(packed.above);
    this.logLow = Math.log(packed.low);
    this.logStep = (Math.log(packed.high) - this.logLow) / (lastCode - firstCode);
    this.missing = new Map();
    for (let i = 0; i < packed.missing.length; i += 2) this.missing.set(packed.missing[i], packed.missing[i + 1]);
  }
  logOf(code) { return this.logLow + (code - firstCode) * this.logStep; }
  value(cell) { return Math.exp(this.logOf(this.p50[cell])); }
  valueP99(cell) { return Math.exp(this.logOf(this.p99[cell])); }
  interval(cell) {
    const reach = q => Math.exp(Math.log(8) * (q / 255) ** 3);
    return [this.value(cell) / reach(this.below[cell]), this.value(cell) * reach(this.above[cell])];
  }
  reason(cell) { return this.reasons[this.missing.get(cell)] || 'no reason given'; }
  words(value) { return this.what === 'latency' ? timeInWords(value) : speedInWords(value); }
  // The codes between which colours change: nearly all pairs, so that a few far ones do not take all of the scale.
  span() {
    const codes = this.p50.filter(code => code >= firstCode).sort();
    if (codes.length === 0) return null;
    const at = share => codes[Math.min(codes.length - 1, Math.floor(share * codes.length))];
    let low = at(0.005), high = at(0.995);
    const least = Math.log(1.2) / (this.logStep || 1);  // noise of some per cent is not a picture
    if (high - low < least) {
      const middle = (high + low) / 2;
      [low, high] = [middle - least / 2, middle + least / 2];
    }
    return {low, high, beyondLow: codes[0] < low, beyondHigh: codes[codes.length - 1] > high};
  }
}

function scaled(value, units) {
  let unit = 0;
  while (unit + 1 < units.length && Math.abs(value) >= 999.5) { value /= 1000; unit++; }
  const size = Math.abs(value);
  return `${value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0)} ${units[unit]}`;
}
const timeInWords = ns => scaled(ns, ['ns', 'us', 'ms', 's']);
const speedInWords = gbPerS => scaled(gbPerS * 1e6, ['kB/s', 'MB/s', 'GB/s']);
// The same without digits that say nothing: for axes.
const roundInWords = words => words.replace(/\.0+ /, ' ').replace(/(\.\d*[1-9])0+ /, '$1 ');

function bytesInWords(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  while (unit + 1 < units.length && bytes >= 1024) { bytes /= 1024; unit++; }
  return `${+bytes.toFixed(1)} ${units[unit]}`;
}

const ranks = report.order.length;
const hostName = place => report.hosts[report.hostOf[place]];

// The nearest tier that two places share.
function tierOf(a, b) {
  const groups = report.tiers.groups;
  let tier = 0;
  while (tier + 1 < groups.length && groups[tier][a] !== groups[tier][b]) tier++;
  return tier;
}

// Runs of equal values: [{first, count, value}, ...].
function runs(values) {
  const out = [];
  values.forEach((value, i) => {
    const last = out[out.length - 1];
    if (last && last.value === value) last.count++;
    else out.push({first: i, count: 1, value});
  });
  return out;
}

// Elements with attributes and children; text is text, never markup.
function element(name, attributes = {}, ...children) {
  const made = /^(svg|g|path|line|rect|text|circle|title|polyline|tspan)$/.test(name)
    ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// What of all is drawn.
const shown = {load: report.planes.length ? report.planes[0].load : 'idle', isRelative: false};

// Buttons of which one is pressed; nothing where there is no choice.
function offer(id, names, choose) {
  const box = document.getElementById(id);
  box.hidden = names.length < 2;
  box.replaceChildren(...names.map((name, i) => {
    const button = element('button', {type: 'button', 'aria-pressed': i === 0}, name);
    button.addEventListener('click', () => {
      for (const each of box.children) each.setAttribute('aria-pressed', each === button);
      choose(name, i);
    });
    return button;
  }));
}

const hover = document.getElementById('hover');
function showHover(x, y, title, rows, note = '') {
  const table = element('table', {}, ...rows.map(row => element('tr', {}, ...row.map(cell => element('td', {}, cell)))));
  hover.replaceChildren(element('b', {}, title), table, note);
  hover.hidden = false;
  const box = hover.getBoundingClientRect();
  hover.style.left = `${Math.max(4, x + 16 + box.width > innerWidth ? x - box.width - 12 : x + 16)}px`;
  hover.style.top = `${Math.max(4, y + 16 + box.height > innerHeight ? y - box.height - 12 : y + 16)}px`;
}
function hideHover() { hover.hidden = true; }
