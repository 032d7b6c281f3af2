// A square of all pairs on a canvas, with the hosts at its sides, its colours below, and a cell under the pointer.

// Viridis (Smith and van der Walt 2015): even steps of lightness, also for colour-blind readers and in grey.
const viridis = ['440154', '482878', '3e4989', '31688e', '26828e', '1f9e89', '35b779', '6ece58', 'b5de2b', 'fde725']
  .map(hex => [0, 2, 4].map(i => parseInt(hex.slice(i, i + 2), 16)));
function colourAt(share) {
  const at = Math.min(0.999999, Math.max(0, share)) * (viridis.length - 1);
  const i = Math.floor(at);
  return viridis[i].map((from, c) => Math.round(from + (viridis[i + 1][c] - from) * (at - i)));
}
// From 0.5 to 4 times the better quarter of a tier, in the logarithm.
const timesSpan = [Math.log(0.5), Math.log(4)];
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function hatch(context, ratio) {
  const side = Math.round(6 * ratio);
  const tile = element('canvas', {width: side, height: side});
  const pen = tile.getContext('2d');
  pen.fillStyle = css('--blank');
  pen.fillRect(0, 0, side, side);
  pen.strokeStyle = css('--hatch');
  pen.lineWidth = 1.3 * ratio;
  for (const shift of [-side, 0, side]) {
    pen.beginPath();
    pen.moveTo(shift, side);
    pen.lineTo(shift + side, 0);
    pen.stroke();
  }
  return context.createPattern(tile, 'repeat');
}

class HeatMap {
  constructor(figure, title) {
    this.figure = figure;
    this.title = title;
    this.canvas = element('canvas', {tabindex: 0, role: 'img'});
    this.caption = element('figcaption');
    this.scale = element('div', {class: 'scale'});
    figure.replaceChildren(this.caption, this.canvas, this.scale);
    this.at = null;
    this.canvas.addEventListener('pointermove', event => this.point(event));
    this.canvas.addEventListener('pointerleave', () => this.leave());
    this.canvas.addEventListener('blur', () => this.leave());
    this.canvas.addEventListener('keydown', event => this.key(event));
  }

  show(plane, isRelative) {
    this.plane = plane;
    this.isRelative = isRelative;
    this.span = isRelative ? null : plane.span();
    if (isRelative) this.quality = this.qualityOf(plane);
    this.caption.replaceChildren(this.title, ' ', element('small', {}, plane.what === 'latency'
      ? 'median of the smallest message' : 'median of the largest message'));
    this.canvas.setAttribute('aria-label', `${this.title} of every pair, ${plane.load}; the tables below have it in words`);
    this.layOut();
  }

  // What a quarter of the pairs of each tier reach, as a code: one slow host of four slows half of the pairs.
  qualityOf(plane) {
    const codes = report.tiers.names.map(() => []);
    plane.p50.forEach((code, cell) => {
      if (code >= firstCode) codes[tierOf(Math.floor(cell / ranks), cell % ranks)].push(code);
    });
    const share = plane.what === 'latency' ? 0.25 : 0.75;
    return codes.map(tier => tier.sort((a, b) => a - b)[Math.floor(tier.length * share)]);
  }

  // How many times as slow as the better quarter of its tier.
  times(cell) {
    const quality = this.quality[tierOf(Math.floor(cell / ranks), cell % ranks)];
    const times = Math.exp((this.plane.p50[cell] - quality) * this.plane.logStep);
    return this.plane.what === 'latency' ? times : 1 / times;
  }

  // Slow is 1: long times, low bandwidths.
  share(cell) {
    if (this.isRelative) return (Math.log(this.times(cell)) - timesSpan[0]) / (timesSpan[1] - timesSpan[0]);
    const code = this.plane.p50[cell];
    const share = (code - this.span.low) / (this.span.high - this.span.low);
    return this.plane.what === 'latency' ? share : 1 - share;
  }

  layOut() {
    const ratio = devicePixelRatio || 1;
    const width = Math.max(200, this.figure.clientWidth);
    const hosts = runs(report.hostOf);
    const longest = Math.max(...hosts.map(run => Math.min(18, report.hosts[run.value].length)));
    this.left = Math.min(width / 3, 14 + 6.6 * longest);
    this.cell = Math.max(1 / ratio, Math.floor((Math.min(width - this.left, 640) / ranks) * ratio) / ratio);
    if (this.cell > 56) this.cell = 56;
    this.side = this.cell * ranks;
    // Names stand across where they fit over their columns, else along them.
    const narrow = Math.min(...hosts.map(run => run.count)) * this.cell;
    this.across = narrow > 6.6 * longest + 6;
    this.top = this.across ? 20 : 8 + 5.2 * longest;
    const canvas = this.canvas;
    const [w, h] = [Math.min(width, this.left + this.side + (this.across ? 4 : 40)), this.top + this.side + 2];
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
    canvas.style.width = `${w}px`;
    canvas.style.height = `${h}px`;
    this.ratio = ratio;
    this.draw();
    this.picture = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    this.drawScale();
  }

  draw() {
    const pen = this.canvas.getContext('2d', {willReadFrequently: true});
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const hatched = hatch(pen, this.ratio);
    const {cell, left, top} = this;
    const gap = cell >= 10 ? 1 : 0;
    let filled = 0;
    for (let row = 0; row < ranks; row++) {
      for (let column = 0; column < ranks; column++) {
        const code = this.plane.p50[row * ranks + column];
        const [x, y] = [left + column * cell, top + row * cell];
        if (code === notAsked) continue;
        if (code === noFigure) {
          pen.save();
          pen.setTransform(1, 0, 0, 1, 0, 0);
          pen.fillStyle = hatched;
          pen.fillRect(x * this.ratio, y * this.ratio, (cell - gap) * this.ratio, (cell - gap) * this.ratio);
          pen.restore();
        } else {
          const share = this.share(row * ranks + column);
          pen.fillStyle = `rgb(${colourAt(share)})`;
          pen.fillRect(x, y, cell - gap, cell - gap);
          if (cell >= 40) this.write(pen, row * ranks + column, x, y, share);
        }
        filled++;
      }
    }
    this.canvas.dataset.cells = filled;
    this.drawTiers(pen);
    this.drawHosts(pen);
  }

  write(pen, at, x, y, share) {
    const [number, unit] = this.isRelative ? [this.times(at).toFixed(2), 'times']
      : this.plane.words(this.plane.value(at)).split(' ');
    pen.fillStyle = share > 0.62 ? '#101418' : '#ffffff';
    pen.textAlign = 'center';
    pen.textBaseline = 'alphabetic';
    pen.font = '12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
    pen.fillText(number, x + this.cell / 2, y + this.cell / 2 + 1);
    pen.font = '9px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
    pen.fillText(unit, x + this.cell / 2, y + this.cell / 2 + 13);
  }

  // A frame around each group of each tier; the farther the tier, the heavier.
  drawTiers(pen) {
    const groups = report.tiers.groups;
    groups.forEach((tier, level) => {
      if (level + 1 === groups.length && groups.length > 1) return;
      for (const run of runs(tier)) {
        if (this.cell * run.count < 5) continue;
        pen.strokeStyle = css('--ink');
        pen.globalAlpha = level === 0 ? 0.55 : 1;
        pen.lineWidth = level === 0 ? 0.75 : 1 + 0.5 * level;
        pen.strokeRect(this.left + run.first * this.cell - 0.5, this.top + run.first * this.cell - 0.5,
                       run.count * this.cell, run.count * this.cell);
      }
    });
    pen.globalAlpha = 1;
  }

  drawHosts(pen) {
    pen.font = '11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
    pen.fillStyle = css('--soft');
    pen.textBaseline = 'middle';
    let [lastRow, lastColumn] = [-99, -99];
    for (const run of runs(report.hostOf)) {
      const name = report.hosts[run.value];
      const words = name.length > 18 ? `${name.slice(0, 17)}\u2026` : name;
      const middle = (run.first + run.count / 2) * this.cell;
      if (middle - lastRow >= 11) {
        pen.textAlign = 'right';
        pen.fillText(words, this.left - 6, this.top + middle, this.left - 8);
        lastRow = middle;
      }
      if (middle - lastColumn < (this.across ? 6.6 * words.length + 6 : 16)) continue;
      pen.save();
      pen.translate(this.left + middle, this.top - 6);
      pen.textAlign = this.across ? 'center' : 'left';
      if (!this.across) pen.rotate(-Math.PI / 4);
      pen.fillText(words, 0, this.across ? -3 : 0);
      pen.restore();
      lastColumn = middle;
    }
  }

  drawScale() {
    this.scale.replaceChildren();
    if (!this.span && !this.isRelative) return;
    const {plane, span, isRelative} = this;
    const shares = Array.from({length: 25}, (_, i) => i / 24);
    const bar = element('div', {class: 'bar'});
    bar.style.background = `linear-gradient(to right, ${shares.map(share =>
      `rgb(${colourAt(isRelative || plane.what === 'latency' ? share : 1 - share)})`).join(', ')})`;
    const ticks = element('div', {class: 'ticks'});
    const width = Math.min(this.figure.clientWidth, Math.max(300, this.left + this.side));
    const room = width - (this.side > 220 ? this.left : 0) - (plane.missing.size > 0 ? 110 : 0);
    const count = isRelative ? 4 : room < 240 ? 2 : room < 450 ? 3 : 5;
    for (let i = 0; i < count; i++) {
      const share = i / (count - 1);
      const words = isRelative ? `${+Math.exp(timesSpan[0] + share * (timesSpan[1] - timesSpan[0])).toFixed(2)} times`
        : plane.words(Math.exp(plane.logOf(span.low + share * (span.high - span.low))));
      const beyond = i === 0 && (isRelative || span.beyondLow) ? '\u2264 '
        : i === count - 1 && (isRelative || span.beyondHigh) ? '\u2265 ' : '';
      const tick = element('span', {}, beyond + words);
      tick.style.left = `${share * 100}%`;
      ticks.append(tick);
    }
    this.scale.append(bar);
    if (plane.missing.size > 0) this.scale.append(this.swatch('no figure'));
    this.scale.append(ticks);
    this.scale.style.width = `${width}px`;
    this.scale.style.paddingLeft = `${this.side > 220 ? this.left : 0}px`;
  }

  swatch(words) {
    const box = element('canvas', {width: 22 * this.ratio, height: 12 * this.ratio});
    box.style.width = '22px';
    box.style.height = '12px';
    const pen = box.getContext('2d');
    pen.fillStyle = hatch(pen, this.ratio);
    pen.fillRect(0, 0, box.width, box.height);
    return element('span', {class: 'swatch'}, box, words);
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - this.left) / this.cell);
    const row = Math.floor((event.clientY - box.top - this.top) / this.cell);
    if (row < 0 || column < 0 || row >= ranks || column >= ranks) return this.leave();
    this.select(row, column, event.clientX, event.clientY);
  }

  key(event) {
    const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
    if (event.key === 'Escape') return this.leave();
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [row, column] = this.at ? this.at.map((place, i) => (place + move[i] + ranks) % ranks) : [0, 0];
    const box = this.canvas.getBoundingClientRect();
    this.select(row, column, box.left + this.left + (column + 1) * this.cell, box.top + this.top + (row + 1) * this.cell);
  }

  select(row, column, x, y) {
    this.at = [row, column];
    for (const map of heatMaps) map.mark(row, column);
    const cell = row * ranks + column;
    const name = place => `rank ${report.order[place]} (${hostName(place)})`;
    if (row === column) return showHover(x, y, name(row), [], report.died.includes(report.order[row]) ? 'died' : '');
    const rows = [];
    let note = report.tiers.names[tierOf(row, column)];
    for (const map of heatMaps) {
      const plane = map.plane, code = plane.p50[cell];
      if (code >= firstCode) {
        const [low, high] = plane.interval(cell).map(value => plane.words(value));
        rows.push([plane.what, 'p50', plane.words(plane.value(cell)), `${low} to ${high}`]);
        if (map.isRelative) rows.push(['', '', `${map.times(cell).toFixed(2)} times`, 'its tier\'s better quarter']);
        rows.push(['', 'p99', plane.words(plane.valueP99(cell)), '']);
      } else if (rows.length === 0) {
        note = code === notAsked ? `${note}; not measured` : `${note}; no figure: ${plane.reason(cell)}`;
        break;
      }
    }
    showHover(x, y, `${name(row)} \u2192 ${name(column)}`, rows, note);
  }

  mark(row, column) {
    const pen = this.canvas.getContext('2d');
    pen.putImageData(this.picture, 0, 0);
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.strokeStyle = css('--mark');
    pen.lineWidth = 1;
    pen.strokeRect(this.left - 0.5, this.top + row * this.cell - 0.5, this.side + 1, this.cell + 1);
    pen.strokeRect(this.left + column * this.cell - 0.5, this.top - 0.5, this.cell + 1, this.side + 1);
  }

  leave() {
    if (!this.at) return;
    this.at = null;
    for (const map of heatMaps) map.canvas.getContext('2d').putImageData(map.picture, 0, 0);
    hideHover();
  }
}

const heatMaps = [];

function drawHeatMaps() {
  if (ranks < 2 || report.planes.length === 0) {
    document.getElementById('latency-map').replaceChildren(
      element('p', {class: 'empty'}, ranks < 2 ? 'One rank has no pairs.' : 'No pair was measured.'));
    return;
  }
  const planes = report.planes.map(packed => new Plane(packed));
  heatMaps.push(new HeatMap(document.getElementById('latency-map'), 'Latency'),
                new HeatMap(document.getElementById('bandwidth-map'), 'Bandwidth'));
  const show = () => planes.filter(plane => plane.load === shown.load)
    .forEach((plane, i) => heatMaps[i].show(plane, shown.isRelative));
  offer('map-loads', [...new Set(planes.map(plane => plane.load))], load => { shown.load = load; show(); drawCurves(); });
  offer('map-views', ['as measured', 'against its tier'], (view, i) => { shown.isRelative = i === 1; show(); });
  show();
}
