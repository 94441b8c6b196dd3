// The page of one comparison: data, what is in view, and the controls that change it.

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const grids = data.grids.map(unpackSteps);
  const unpackRun = ({ grid, values }) => ({ steps: grids[grid], values: unpack(values) });
  const SIDES = ["baseline", "candidate"];
  const runs = Object.fromEntries(SIDES.map((side) => [side, data[side].map(unpackRun)]));
  const common = {
    steps: grids[data.common.grid],
    baseline: unpack(data.common.baseline),
    candidate: unpack(data.common.candidate),
  };
  const rawError = relativeError(common.baseline, common.candidate);
  const whole = {
    from: Math.min(...grids.filter((g) => g.length).map((g) => g[0])),
    to: Math.max(...grids.filter((g) => g.length).map((g) => g[g.length - 1])),
  };
  if (whole.from === whole.to) whole.to += 1;
  const view = { ...whole };
  const controls = document.getElementById("controls");
  const hosts = [document.getElementById("curves"), document.getElementById("error")];
  const logBox = controls.querySelector("[name=log]");
  const windowBox = controls.querySelector("[name=smoothing]");
  const isOn = (name) => controls.querySelector(`[data-series="${name}"]`)?.checked ?? false;
  let charts = [];

  const smoothedCurves = new Map();
  const smoothed = (key, values) => {
    const name = `${key}:${windowBox.value}`;
    if (!smoothedCurves.has(name)) smoothedCurves.set(name, smooth(values, Number(windowBox.value)));
    return smoothedCurves.get(name);
  };
  const line = (side) =>
    runs[side].length === 1
      ? { steps: runs[side][0].steps, values: smoothed(side, runs[side][0].values) }
      : { steps: common.steps, values: smoothed(`${side} mean`, common[side]) };
  const smoothError = () => {
    const name = `error:${windowBox.value}`;
    if (!smoothedCurves.has(name)) {
      const [base, cand] = SIDES.map((side) => smoothed(`${side} mean`, common[side]));
      smoothedCurves.set(name, relativeError(base, cand));
    }
    return smoothedCurves.get(name);
  };

  // Curves -> columns of a chart: the logged points if few are in view, otherwise two per column of pixels.
  const laidOut = (sources, columns, floor) => {
    const used = [...new Set(sources.filter(Boolean).map((source) => source.steps))];
    const count = used.reduce((sum, steps) => {
      const [first, end] = within(steps, view.from, view.to);
      return sum + end - first;
    }, 0);
    const pairs = count > 2 * columns;
    const width = (view.to - view.from) / columns;
    const x = pairs
      ? Array.from({ length: 2 * columns }, (_, k) => view.from + (k / 2 + 0.25) * width)
      : stepsInView(used, view.from, view.to);
    const nothing = new Array(x.length).fill(undefined);
    const y = sources.map((source) => {
      if (!source) return nothing;
      return pairs
        ? thin(source.steps, source.values, { ...view, columns, floor })
        : exactly(source.steps, source.values, x, floor);
    });
    return { x, y, pairs, nothing };
  };

  const columnsOf = (u) => Math.max(20, Math.floor(u.bbox.width / devicePixelRatio));

  const drawCurves = () => {
    const floor = logBox.checked ? 0 : -Infinity;
    const sources = SIDES.flatMap((side) =>
      runs[side].map((run, i) => (isOn(`${side}:run:${i}`) || isOn(`${side}:range`) ? run : null)),
    );
    sources.push(...SIDES.map((side) => (isOn(`${side}:line`) ? line(side) : null)));
    const { x, y, pairs, nothing } = laidOut(sources, columnsOf(charts[0]), floor);
    const [edges, single] = [[], []];
    for (const side of SIDES) {
      const own = y.splice(0, runs[side].length);
      if (own.length > 1) {
        const range = isOn(`${side}:range`) ? rangeOf(own, pairs) : { low: nothing, high: nothing };
        edges.push(range.high, range.low);
      }
      single.push(...own.map((run, i) => (isOn(`${side}:run:${i}`) ? run : nothing)));
    }
    const columns = [...edges, ...single, ...y]; // lines on top, in the order of `buildCurves`
    charts[0].setData([x, ...columns]);
  };

  const drawError = () => {
    const raw = isOn("error:raw") ? { steps: common.steps, values: rawError } : null;
    const calm = isOn("error:line") ? { steps: common.steps, values: smoothError() } : null;
    const { x, y } = laidOut([raw, calm], columnsOf(charts[1]), -Infinity);
    charts[1].setData([x, ...y]);
  };

  // Symmetric bounds as in `scale.error_bound`: they contain the limits and the smoothed error, and
  // 95 % of single steps as far as the limits stay visible.
  const quantile = (sizes, part) => {
    sizes.sort((a, b) => a - b);
    return sizes.length ? sizes[Math.floor(part * (sizes.length - 1))] : 0;
  };
  const errorRange = () => {
    const [first, end] = within(common.steps, view.from, view.to);
    const sizes = [];
    const stride = Math.max(1, Math.floor((end - first) / 4000));
    for (let i = first; i < end; i += stride) {
      if (Number.isFinite(rawError[i])) sizes.push(Math.abs(rawError[i]));
    }
    const limit = Math.max(0, ...data.limits.map(([size]) => 100 * size));
    let wild = quantile(sizes, 0.95);
    if (limit > 0) wild = Math.min(wild, 6 * limit);
    const calm = [];
    const error = smoothError();
    for (let i = first; i < end; i += stride) {
      if (Number.isFinite(error[i])) calm.push(Math.abs(error[i]));
    }
    const bound = Math.max(1.5 * limit, wild, quantile(calm, 0.98));
    return [-1.15 * bound || -1, 1.15 * bound || 1];
  };

  let at = null; // the place among the common steps that the cursor reads
  const placeCursor = (step) => {
    const part = (step - view.from) / (view.to - view.from); // uPlot sets its own scale later
    for (const u of charts) u.setCursor({ left: part * u.over.clientWidth, top: 1 }, false);
  };

  let asked = false;
  const draw = () => {
    asked = false;
    drawCurves();
    drawError();
    if (at !== null) placeCursor(common.steps[at]);
    const steps = [Math.ceil(view.from), Math.floor(view.to)].map((step) => step.toLocaleString("en"));
    document.getElementById("view").textContent = `Steps ${steps[0]} to ${steps[1]}`;
  };
  const redraw = () => {
    if (!asked) requestAnimationFrame(draw);
    asked = true;
  };

  const show = (from, to) => {
    const least = Math.min(2, whole.to - whole.from);
    const span = Math.min(Math.max(to - from, least), whole.to - whole.from);
    const middle = (from + to) / 2;
    view.from = Math.min(Math.max(middle - span / 2, whole.from), whole.to - span);
    view.to = view.from + span;
    redraw();
  };
  const zoom = (factor, about = (view.from + view.to) / 2) =>
    show(about - factor * (about - view.from), about + factor * (view.to - about));
  const pan = (part) => {
    const moved = part * (view.to - view.from);
    show(view.from + moved, view.to + moved);
  };
  const reset = () => show(whole.from, whole.to);

  // The values at the cursor.
  const readout = document.getElementById("readout");
  const say = (name, text) => {
    readout.querySelector(`[data-value="${name}"]`).textContent = text;
  };
  const number = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value));
  const percent = (value) =>
    Number.isFinite(value) ? `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)} %` : String(value);
  const read = (index) => {
    at = index;
    say("step", common.steps[index].toLocaleString("en"));
    for (const side of SIDES) {
      say(side, number(common[side][index]));
      say(`${side} smoothed`, number(smoothed(`${side} mean`, common[side])[index]));
    }
    say("error", percent(rawError[index]));
    say("error smoothed", percent(smoothError()[index]));
  };
  const move = (step) => {
    const index = nearest(common.steps, step);
    if (index !== at) read(index);
  };
  const moveBy = (count) => {
    const [first, end] = within(common.steps, view.from, view.to);
    const start = at === null ? Math.floor((first + end) / 2) : at + count;
    const index = Math.min(Math.max(start, 0), common.steps.length - 1);
    const step = common.steps[index];
    if (step < view.from) pan(-0.25);
    if (step > view.to) pan(0.25);
    placeCursor(step);
    read(index);
  };

  const under = (u) => {
    if (data.part) drawJudged(u, data.judged);
    if (u !== charts[1]) return;
    for (const [size, oneSided] of data.limits) {
      if (!oneSided) shade(u, "limit", { y: [-100 * size, 100 * size] }, 0.1);
    }
  };
  const bad = Object.fromEntries(
    SIDES.map((side) => [side, runs[side].map(({ steps, values }) => unfinite(steps, values))]),
  );
  const badError = unfinite(common.steps, rawError);
  const over = (u) => {
    if (u === charts[0]) {
      for (const side of SIDES) for (const one of bad[side]) drawUnfinite(u, side, one);
      return;
    }
    drawUnfinite(u, "ink", badError);
    if (isOn("error:raw")) drawBeyond(u, "ink-soft", common.steps, rawError);
    rule(u, "ink-soft", 0, []);
    for (const [size, oneSided] of data.limits) {
      rule(u, "limit", 100 * size, [6, 3]);
      if (!oneSided) rule(u, "limit", -100 * size, [6, 3]);
    }
  };

  const buildCurves = () => {
    const [series, bands] = [[], []];
    for (const side of SIDES.filter((one) => runs[one].length > 1)) {
      bands.push({ series: [series.length + 1, series.length + 2], fill: () => colour(`${side}-band`) });
      series.push(edge(), edge());
    }
    for (const side of SIDES) {
      const alpha = runs[side].length > 3 ? 0.2 : 0.35;
      for (const _ of runs[side]) series.push(curve({ side, alpha }));
    }
    series.push(curve({ side: "baseline", width: 2 }), curve({ side: "candidate", width: 2, dash: [7, 3] }));
    const log = logBox.checked;
    const height = innerWidth < 600 ? 240 : 340;
    return { height, label: data.metric, log, series, bands, range: paddedRange(log) };
  };
  const buildError = () => ({
    height: innerWidth < 600 ? 180 : 210,
    label: "relative error, %",
    xLabel: "optimizer step",
    log: false,
    series: [
      curve({ side: "ink-soft", alpha: 0.45 }),
      curve({ side: "ink", width: 1.8 }),
    ],
    bands: [],
    range: errorRange,
  });
  const build = () => {
    for (const u of charts) u.destroy();
    charts = [];
    const on = { move, show, reset };
    [buildCurves(), buildError()].forEach((parts, i) => {
      const u = createChart(hosts[i], { ...parts, view, under, over, on });
      charts.push(u);
      listenToFingers(u.over, { view, show });
      u.over.addEventListener(
        "wheel",
        (event) => {
          if (!event.ctrlKey && !event.shiftKey) return;
          event.preventDefault();
          const turned = event.deltaY || event.deltaX;
          const box = u.over.getBoundingClientRect();
          if (event.ctrlKey) zoom(turned > 0 ? 1.25 : 0.8, u.posToVal(event.clientX - box.left, "x"));
          else pan(turned > 0 ? 0.1 : -0.1);
        },
        { passive: false },
      );
    });
    draw();
  };

  const actions = {
    in: () => zoom(0.5),
    out: () => zoom(2),
    left: () => pan(-0.25),
    right: () => pan(0.25),
    reset,
    judged: () => show(...data.judged),
  };
  const keys = {
    ArrowLeft: (event) => (event.shiftKey ? pan(-0.25) : moveBy(-1)),
    ArrowRight: (event) => (event.shiftKey ? pan(0.25) : moveBy(1)),
    PageUp: () => moveBy(-Math.max(1, Math.round((view.to - view.from) / 50))),
    PageDown: () => moveBy(Math.max(1, Math.round((view.to - view.from) / 50))),
    "+": () => zoom(0.5, at === null ? undefined : common.steps[at]),
    "=": () => zoom(0.5, at === null ? undefined : common.steps[at]),
    "-": () => zoom(2),
    0: reset,
    Home: reset,
  };
  const listen = () => {
    controls.addEventListener("click", (event) => {
      const name = event.target.closest("button")?.dataset.action;
      if (name) actions[name]();
    });
    controls.addEventListener("change", (event) => {
      const group = event.target.dataset.all;
      if (group) {
        for (const box of controls.querySelectorAll(`[data-series^="${group}:run:"]`)) {
          box.checked = event.target.checked;
        }
      }
      if (event.target === logBox) build();
      else redraw();
      if (event.target === windowBox && at !== null) read(at);
    });
    for (const host of hosts) {
      host.addEventListener("keydown", (event) => {
        const act = keys[event.key];
        if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        act(event);
      });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new ResizeObserver(() => {
      if (charts.every((u, i) => u.width === hosts[i].clientWidth)) return;
      charts.forEach((u, i) => u.setSize({ width: hosts[i].clientWidth, height: u.height }));
      redraw();
    }).observe(hosts[0]);
  };

  const positive = SIDES.some((side) => runs[side].some(({ values }) => values.some((v) => v > 0)));
  logBox.disabled = !positive;
  build();
  listen();
  read(common.steps.length - 1);
  at = null;
  performance.mark("interactive");
  document.documentElement.dataset.ready = "yes";
})();
