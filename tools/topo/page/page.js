// Draws all of it, and again when the window or the colour scheme is another.
document.documentElement.classList.add('scripted');
function drawAll() {
  drawTierTree();
  drawCurves();
  drawForecast();
}
drawHeatMaps();
drawAll();
document.documentElement.dataset.drawnMs = Math.round(performance.now());

let drawnWidth = innerWidth;
addEventListener('resize', () => {
  if (innerWidth === drawnWidth) return;
  drawnWidth = innerWidth;
  for (const map of heatMaps) map.layOut();
  drawAll();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const map of heatMaps) map.layOut();
});
