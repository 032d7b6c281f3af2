// The tree of tiers, from the whole cluster down to ranks: a row for each tier, a box for each group of it.
function drawTierTree() {
  const figure = document.getElementById('tier-tree');
  if (ranks === 0) return;
  const width = Math.max(280, figure.clientWidth), left = Math.min(190, width / 3), rowHeight = 44;
  const names = report.tiers.names, groups = report.tiers.groups;
  const rows = groups.map((tier, level) => ({level, runs: runs(tier)})).reverse();
  const svg = element('svg', {viewBox: `0 0 ${width} ${rows.length * rowHeight + 24}`, role: 'img',
    'aria-label': 'Tree of tiers; the table below has it in words'});
  const unit = (width - left - 2) / ranks;
  rows.forEach((row, i) => {
    const y = i * rowHeight + 2;
    const colour = lineColours[row.level % 8];
    svg.append(element('text', {class: 'ink', x: 0, y: y + 14}, names[row.level]),
               element('text', {x: 0, y: y + 30}, report.tiers.figures[row.level]));
    for (const run of row.runs) {
      const [x, w] = [left + run.first * unit, Math.max(0.8, run.count * unit - (unit > 3 ? 3 : unit * run.count > 4 ? 1 : 0.2))];
      const hosts = [...new Set(report.hostOf.slice(run.first, run.first + run.count))].map(host => report.hosts[host]);
      const words = hosts.length === 1 ? hosts[0] : `${hosts.length} hosts`;
      const box = element('rect', {x, y, width: w, height: rowHeight - 8, rx: Math.min(4, w / 3), fill: colour,
        'fill-opacity': 0.2, stroke: colour, 'stroke-width': w > 4 ? 1 : 0.4});
      const title = hosts.length < 7 ? hosts.join(', ') : `${hosts.slice(0, 5).join(', ')} and ${hosts.length - 5} more`;
      box.append(element('title', {}, `${names[row.level]}: ${title}; ${run.count} ranks`));
      svg.append(box);
      if (w > 7 * words.length + 6) {
        svg.append(element('text', {class: 'ink', x: x + w / 2, y: y + rowHeight / 2 + 1, 'text-anchor': 'middle'}, words));
      }
    }
  });
  const y = rows.length * rowHeight + 14;
  svg.append(element('text', {class: 'ink', x: 0, y}, 'ranks'));
  let last = -99;
  for (let place = 0; place < ranks; place++) {
    const x = left + (place + 0.5) * unit - 1;
    const words = String(report.order[place]);
    if (x - last < 7 * words.length + 6) continue;
    svg.append(element('text', {x, y, 'text-anchor': 'middle'}, words));
    last = x;
  }
  figure.replaceChildren(svg);
}
