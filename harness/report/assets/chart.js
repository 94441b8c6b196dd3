// One uPlot chart of the report: its look, the ground behind the curves, and the cursor.

const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const shortNumber = (value) => {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(1).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
};

const axis = (label, more) => ({
  stroke: () => colour("ink-soft"),
  grid: { stroke: () => colour("line"), width: 1 },
  ticks: { stroke: () => colour("line"), width: 1, size: 4 },
  font: "12px system-ui, sans-serif",
  labelFont: "12px system-ui, sans-serif",
  label,
  labelSize: label ? 18 : 0,
  ...more,
});

const curve = ({ side, width = 1, dash, alpha = 1 }) => ({
  stroke: () => colour(side),
  width,
  dash,
  alpha,
  points: { size: 4, stroke: () => colour(side), fill: () => colour(side) },
});

const edge = () => ({ stroke: "transparent", width: 0, points: { show: false } });

const paddedRange = (log) => (_, low, high) => {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return log ? [1, 10] : [0, 1];
  if (log) {
    const part = Math.max(1.001, (high / low) ** 0.06);
    return [low / part, high * part];
  }
  const room = 0.06 * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low - room, high + room];
};

// Ticks of a log scale: 1, 2, 5 of every decade, or evenly spread ticks if less than a decade is in view.
const logTicks = (low, high) => {
  const ticks = [];
  if (high / low < 10) {
    const rough = (high - low) / 5;
    const decade = 10 ** Math.floor(Math.log10(rough));
    const step = decade * [1, 2, 5, 10].find((part) => part * decade >= rough);
    for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
    return ticks;
  }
  const parts = high / low < 1e5 ? [1, 2, 5] : [1];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    ticks.push(...parts.map((part) => part * 10 ** power).filter((t) => t >= low && t <= high));
  }
  return ticks;
};

// A shaded box of the plot from value to value, clipped to it; in canvas pixels.
const shade = (u, name, { x, y }, alpha) => {
  const { left, top, width, height } = u.bbox;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const xs = x ? x.map((v) => clamp(u.valToPos(v, "x", true), left, left + width)) : [left, left + width];
  const ys = y ? y.map((v) => clamp(u.valToPos(v, "y", true), top, top + height)) : [top, top + height];
  u.ctx.save();
  u.ctx.globalAlpha = alpha;
  u.ctx.fillStyle = colour(name);
  u.ctx.fillRect(xs[0], ys[1], xs[1] - xs[0], ys[0] - ys[1]);
  u.ctx.restore();
};

const rule = (u, name, y, dash) => {
  const { left, top, width, height } = u.bbox;
  const at = Math.round(u.valToPos(y, "y", true)) + 0.5;
  if (!(at >= top && at <= top + height)) return;
  u.ctx.save();
  u.ctx.strokeStyle = colour(name);
  u.ctx.lineWidth = (dash.length ? 1.5 : 1) * devicePixelRatio;
  u.ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
  u.ctx.beginPath();
  u.ctx.moveTo(left, at);
  u.ctx.lineTo(left + width, at);
  u.ctx.stroke();
  u.ctx.restore();
};

// A bar along the top edge over the judged steps, on a faint ground.
const drawJudged = (u, judged) => {
  const { left, top, width } = u.bbox;
  const [x0, x1] = judged.map((step) => u.valToPos(step, "x", true));
  const from = Math.max(x0, left);
  const to = Math.min(Math.max(x1, x0 + 2), left + width);
  if (to <= from) return;
  shade(u, "ink", { x: judged }, 0.045);
  u.ctx.save();
  u.ctx.fillStyle = colour("ink-soft");
  u.ctx.fillRect(from, top, to - from, 3 * devicePixelRatio);
  u.ctx.restore();
};

// Small triangles at the lower edge: steps whose value is NaN or infinite.
const drawUnfinite = (u, name, steps) => {
  const { left, top, width, height } = u.bbox;
  const size = 5 * devicePixelRatio;
  let previous = -Infinity;
  u.ctx.save();
  u.ctx.fillStyle = colour(name);
  for (const step of steps) {
    const x = u.valToPos(step, "x", true);
    if (x < left || x > left + width || x - previous < 2) continue;
    previous = x;
    u.ctx.beginPath();
    u.ctx.moveTo(x, top + height - 1.6 * size);
    u.ctx.lineTo(x - size / 1.6, top + height);
    u.ctx.lineTo(x + size / 1.6, top + height);
    u.ctx.fill();
  }
  u.ctx.restore();
};

// Small open triangles at the upper and lower edge: steps whose value is beyond the scale.
const drawBeyond = (u, name, steps, values) => {
  const { left, top, width, height } = u.bbox;
  const { min, max } = u.scales.y;
  const size = 4 * devicePixelRatio;
  const previous = { 1: -Infinity, [-1]: -Infinity };
  u.ctx.save();
  u.ctx.strokeStyle = colour(name);
  u.ctx.lineWidth = devicePixelRatio;
  for (let i = 0; i < steps.length; i++) {
    const way = values[i] > max ? 1 : values[i] < min ? -1 : 0;
    if (!way || !Number.isFinite(values[i])) continue;
    const x = u.valToPos(steps[i], "x", true);
    if (x < left || x > left + width || x - previous[way] < size) continue;
    previous[way] = x;
    const edge = way > 0 ? top + 1 : top + height - 1;
    u.ctx.beginPath();
    u.ctx.moveTo(x, edge);
    u.ctx.lineTo(x - size / 2, edge + way * size);
    u.ctx.lineTo(x + size / 2, edge + way * size);
    u.ctx.closePath();
    u.ctx.stroke();
  }
  u.ctx.restore();
};

const createChart = (host, { height, label, xLabel, log, series, bands, view, range, under, over, on }) =>
  new uPlot(
    {
      width: host.clientWidth,
      height,
      legend: { show: false },
      scales: {
        x: { time: false, range: () => [view.from, view.to] },
        y: { distr: log ? 3 : 1, range },
      },
      axes: [
        axis(xLabel, { values: (_, ticks) => ticks.map((t) => t.toLocaleString("en")), space: 70, size: 30 }),
        axis(label, {
          values: (_, ticks) => ticks.map(shortNumber),
          size: 52,
          ...(log && { splits: (_, __, low, high) => logTicks(low, high), filter: (_, ticks) => ticks }),
        }),
      ],
      series: [{}, ...series],
      bands,
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false, dist: 4 },
        sync: { key: "steps", setSeries: false },
        bind: { dblclick: () => () => on.reset() },
      },
      hooks: {
        drawClear: [under],
        draw: [over],
        setCursor: [(u) => u.cursor.left >= 0 && on.move(u.posToVal(u.cursor.left, "x"))],
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            const from = u.posToVal(u.select.left, "x");
            const to = u.posToVal(u.select.left + u.select.width, "x");
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            on.show(from, to);
          },
        ],
      },
    },
    [[]],
    host,
  );
