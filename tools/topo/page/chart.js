// Lines over sizes, with a logarithmic axis of bytes, and the values of a size under the pointer.

const lineColours = Array.from({length: 8}, (_, i) => `var(--c${i})`);
const dashes = ['', '7 4', '2 3', '9 3 2 3'];

// Powers of 1,024 times 1, 4, 16, ... in a range, thinned out to what has room.
function byteTicks(low, high, most) {
  const all = [];
  for (let power = Math.floor(Math.log2(low)); power <= Math.ceil(Math.log2(high)); power++) {
    if (2 ** power >= low * 0.999 && 2 ** power <= high * 1.001) all.push(power);
  }
  for (const step of [1, 2, 5, 10]) {
    const kept = all.filter(power => power % step === 0);
    if (kept.length <= most) return kept.map(power => 2 ** power);
  }
  return [2 ** all[0]];
}

function logTicks(low, high) {
  const out = [];
  const decades = Math.log10(high / low);
  const digits = decades < 1.5 ? [1, 2, 5] : [1];
  const every = decades > 7 ? 2 : 1;
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += every) {
    for (const digit of digits) {
      const value = digit * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) out.push(value);
    }
  }
  return out;
}

function evenTicks(low, high) {
  const power = 10 ** Math.floor(Math.log10((high - low) / 3));
  const step = [5, 2, 1].map(times => times * power).find(each => (high - low) / each >= 3) || power;
  const out = [];
  for (let i = Math.ceil(low / step); i * step <= high * 1.0001; i++) out.push(i * step);
  return out;
}

// lines: [{name, colour, dash, width, points: [[bytes, value], ...], band: [[bytes, low, high], ...]}]
// options: {title, small, log, words, axis, highlight(line index, bytes)}
function drawChart(figure, lines, options) {
  const width = Math.max(280, figure.clientWidth), height = options.height || 330;
  const [left, right, top, bottom] = [66, 14, 10, 30];
  const values = lines.flatMap(line => line.points.map(point => point[1])
    .concat((line.band || []).flatMap(point => [point[1], point[2]]))).filter(value => !options.log || value > 0);
  const sizes = [...new Set(lines.flatMap(line => line.points.map(point => point[0])))].sort((a, b) => a - b);
  figure.replaceChildren(element('figcaption', {}, options.title, ' ', element('small', {}, options.small || '')));
  if (values.length === 0) return figure.append(element('p', {class: 'empty'}, 'Nothing was measured.'));
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (options.log) [low, high] = [low / 1.25, high * 1.25];
  else [low, high] = [Math.min(low * 1.15, -0.02), Math.max(high * 1.15, 0.02)];
  const place = options.log ? Math.log : value => value;
  const [x0, x1] = [Math.log(sizes[0]), Math.log(sizes[sizes.length - 1])];
  const x = bytes => left + (x1 > x0 ? (Math.log(bytes) - x0) / (x1 - x0) : 0.5) * (width - left - right);
  const y = value => top + (1 - (place(value) - place(low)) / (place(high) - place(low))) * (height - top - bottom);
  const path = points => points.map(([a, b], i) => `${i ? 'L' : 'M'}${a.toFixed(1)} ${b.toFixed(1)}`).join('');

  const svg = element('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': options.title});
  for (const value of options.log ? logTicks(low, high) : evenTicks(low, high)) {
    svg.append(element('path', {class: 'grid', d: `M${left} ${y(value)}H${width - right}`}),
               element('text', {x: left - 8, y: y(value) + 4, 'text-anchor': 'end'}, options.axis(value)));
  }
  for (const bytes of byteTicks(sizes[0], sizes[sizes.length - 1], Math.floor((width - left) / 62))) {
    svg.append(element('path', {class: 'grid', d: `M${x(bytes)} ${top}V${height - bottom}`}),
               element('text', {x: x(bytes), y: height - bottom + 18, 'text-anchor': 'middle'}, bytesInWords(bytes)));
  }
  for (const line of lines) {
    if (line.band) {
      const edge = [...line.band.map(point => [x(point[0]), y(point[2])]),
                    ...line.band.slice().reverse().map(point => [x(point[0]), y(point[1])])];
      svg.append(element('path', {d: `${path(edge)}Z`, fill: line.colour, opacity: 0.12}));
    }
  }
  for (const line of lines) {
    const points = line.points.filter(point => !options.log || point[1] > 0);
    svg.append(element('path', {d: path(points.map(([bytes, value]) => [x(bytes), y(value)])), fill: 'none',
      stroke: line.colour, 'stroke-width': line.width || 2, 'stroke-dasharray': line.dash || '',
      'stroke-linejoin': 'round', opacity: line.opacity || 1}));
    if (points.length === 1) {
      svg.append(element('circle', {cx: x(points[0][0]), cy: y(points[0][1]), r: 3, fill: line.colour}));
    }
  }
  (options.over || []).forEach(points => svg.append(element('path', {
    d: path(points.points.map(([bytes, value]) => [x(bytes), y(value)])), fill: 'none', stroke: points.colour,
    'stroke-width': 5, 'stroke-linecap': 'round', 'stroke-linejoin': 'round'})));
  const cursor = element('path', {class: 'axis', d: '', stroke: 'var(--soft)'});
  svg.append(cursor);
  figure.append(svg, element('div', {class: 'keys'}, ...lines.filter(line => line.name).map(line => element('span',
    line.best ? {class: 'best'} : {}, element('svg', {viewBox: '0 0 26 12'}, element('path', {d: 'M0 6H26', fill: 'none',
      stroke: line.colour, 'stroke-width': line.best ? 5 : 2.4, 'stroke-dasharray': line.best ? '' : line.dash || ''})),
    line.name))));

  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect();
    const at = (event.clientX - box.left) * width / box.width;
    const bytes = sizes.reduce((best, each) => Math.abs(x(each) - at) < Math.abs(x(best) - at) ? each : best);
    cursor.setAttribute('d', `M${x(bytes)} ${top}V${height - bottom}`);
    const found = lines.filter(line => line.name).map(line => [line, (line.points.find(point => point[0] === bytes) || [])[1]])
      .filter(([, value]) => value !== undefined);
    if (options.sorted) found.sort((a, b) => a[1] - b[1]);
    showHover(event.clientX, event.clientY, bytesInWords(bytes), found.map(([line, value]) => [line.name, options.words(value)]));
  });
  svg.addEventListener('pointerleave', () => { cursor.setAttribute('d', ''); hideHover(); });
}

function drawSizeCurves() {
  const lines = report.curves.filter(curve => curve.load === shown.load).flatMap(curve => {
    const colour = lineColours[curve.tier % 8];
    const name = report.tiers.names[curve.tier];
    return [
      {name: `${name}, p50`, colour, width: 2.2, points: curve.points.map(at => [at.bytes, at.p50]),
        band: curve.points.map(at => [at.bytes, at.low, at.high])},
      {name: `${name}, p99`, colour, width: 1.4, dash: '2 3', points: curve.points.map(at => [at.bytes, at.p99])}];
  });
  drawChart(document.getElementById('size-curves'), lines, {title: 'Time by size', log: true,
    small: `${shown.load}; middle of the pairs, the shade holds 8 of 10`, words: timeInWords,
    axis: ns => roundInWords(timeInWords(ns))});
}

function drawResiduals() {
  const percent = share => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)} %`;
  const lines = report.curves.filter(curve => curve.load === shown.load).map(curve => ({
    name: report.tiers.names[curve.tier], colour: lineColours[curve.tier % 8],
    points: curve.points.map(at => [at.bytes, at.residual]),
    band: curve.points.map(at => [at.bytes, at.residualLow, at.residualHigh])}));
  drawChart(document.getElementById('residuals'), lines, {title: 'Measured against fit',
    small: `${shown.load}; the fit is alpha + beta n, the shade holds 8 of 10 pairs`, words: percent,
    axis: share => `${+(share * 100).toFixed(1)} %`});
}

function drawCurves() {
  drawSizeCurves();
  drawResiduals();
}

function drawForecast() {
  const figure = document.getElementById('forecast');
  const forecast = report.forecast;
  if (!forecast) return figure.replaceChildren(element('p', {class: 'empty'}, 'There is nothing to predict from.'));
  const winners = new Set(forecast.best);
  // The colours that are told apart most easily are theirs.
  const drawn = [...winners, ...forecast.lines.map((_, i) => i).filter(i => !winners.has(i))];
  const lines = forecast.lines.map((line, i) => ({name: line.name, colour: lineColours[drawn.indexOf(i) % 8],
    dash: dashes[Math.floor(drawn.indexOf(i) / 8) % 4], width: winners.has(i) ? 1.8 : 1.2,
    opacity: winners.has(i) ? 1 : 0.7, best: winners.has(i),
    points: line.ns.map((ns, size) => [forecast.bytes[size], ns])}));
  const over = runs(forecast.best).map(run => {
    const sizes = forecast.bytes.map((_, i) => i).slice(run.first, Math.min(run.first + run.count + 1, forecast.bytes.length));
    return {colour: lines[run.value].colour, points: sizes.map(i => [forecast.bytes[i], forecast.lines[run.value].ns[i]])};
  });
  drawChart(figure, lines, {title: 'Predicted time of an all-reduce', small: `over ${ranks} ranks`, log: true, height: 400,
    over, sorted: true, words: timeInWords, axis: ns => roundInWords(timeInWords(ns))});
}
