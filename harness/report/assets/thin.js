// Pure functions on arrays of steps and values; nothing here accesses the page.

const bytesOf = (text) => {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
};

const unpack = (packed) => {
  const { buffer } = bytesOf(packed.base64);
  return packed.type === "f4" ? new Float32Array(buffer) : new Float64Array(buffer);
};

const unpackSteps = (packed) => {
  if ("base64" in packed) return unpack(packed);
  const steps = new Float64Array(packed.count);
  for (let i = 0; i < packed.count; i++) steps[i] = packed.start + i * packed.stride;
  return steps;
};

// The first place whose step is at least `wanted`.
const placeOf = (steps, wanted) => {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
};

const nearest = (steps, wanted) => {
  const at = placeOf(steps, wanted);
  if (at === 0) return 0;
  if (at === steps.length) return at - 1;
  return wanted - steps[at - 1] < steps[at] - wanted ? at - 1 : at;
};

// Places [first, end) of the steps from `from` to `to`, both included.
const within = (steps, from, to) => {
  const first = placeOf(steps, from);
  let end = placeOf(steps, to);
  while (end < steps.length && steps[end] <= to) end++;
  return [first, end];
};

// The lowest and the highest value of every column of pixels, two numbers per column, in the order
// in which they occur. A column without a step is undefined, a column without a drawable value is
// null. A value is drawable if it is finite and above `floor`.
const thin = (steps, values, { from, to, columns, floor = -Infinity }) => {
  const pixels = new Array(2 * columns).fill(undefined);
  const [first, end] = within(steps, from, to);
  const scale = columns / (to - from);
  const columnOf = (i) => Math.min(columns - 1, Math.floor((steps[i] - from) * scale));
  for (let i = first; i < end; ) {
    const column = columnOf(i);
    let lowAt = -1;
    let highAt = -1;
    for (; i < end && columnOf(i) === column; i++) {
      const value = values[i];
      if (!(value > floor && value < Infinity)) continue;
      if (lowAt < 0 || value < values[lowAt]) lowAt = i;
      if (highAt < 0 || value > values[highAt]) highAt = i;
    }
    const pair = lowAt < highAt ? [lowAt, highAt] : [highAt, lowAt];
    pixels[2 * column] = lowAt < 0 ? null : values[pair[0]];
    pixels[2 * column + 1] = lowAt < 0 ? null : lowAt === highAt ? undefined : values[pair[1]];
  }
  return pixels;
};

// The values at these steps: undefined for a step without a value, null if it cannot be drawn.
const exactly = (steps, values, wanted, floor = -Infinity) => {
  const exact = new Array(wanted.length).fill(undefined);
  let i = wanted.length ? placeOf(steps, wanted[0]) : 0;
  for (let k = 0; k < wanted.length; k++) {
    while (i < steps.length && steps[i] < wanted[k]) i++;
    if (i === steps.length) break;
    if (steps[i] !== wanted[k]) continue;
    exact[k] = values[i] > floor && values[i] < Infinity ? values[i] : null;
  }
  return exact;
};

// All steps of these grids in view and one more on each side, so that lines reach the edge.
const stepsInView = (grids, from, to) => {
  const all = new Set();
  for (const steps of grids) {
    const [first, end] = within(steps, from, to);
    for (let i = Math.max(0, first - 1); i < Math.min(steps.length, end + 1); i++) all.add(steps[i]);
  }
  return [...all].sort((a, b) => a - b);
};

// The range of several curves with two numbers per column, or one per step if `pairs` is false.
const rangeOf = (curves, pairs) => {
  const count = curves[0].length;
  const low = new Array(count).fill(undefined);
  const high = new Array(count).fill(undefined);
  const width = pairs ? 2 : 1;
  for (let k = 0; k < count; k += width) {
    let [least, most, seen] = [Infinity, -Infinity, 0];
    for (const curve of curves) {
      let has = false;
      for (let j = k; j < k + width; j++) {
        if (curve[j] === undefined) continue;
        has = true;
        if (curve[j] === null) continue;
        least = Math.min(least, curve[j]);
        most = Math.max(most, curve[j]);
      }
      seen += has;
    }
    if (least > most || (!pairs && seen < curves.length)) continue;
    low.fill(least, k, k + width);
    high.fill(most, k, k + width);
  }
  return { low, high };
};

// Savitzky-Golay smoothing of order 1, as in `measure.smooth`: a moving mean whose ends are fitted by
// a line. Here every stretch of finite values is smoothed separately; a short stretch is unchanged.
const smooth = (values, window) => {
  const smoothed = new Float64Array(values);
  for (let first = 0; first < values.length; ) {
    if (!Number.isFinite(values[first])) {
      first++;
      continue;
    }
    let end = first;
    while (end < values.length && Number.isFinite(values[end])) end++;
    if (window > 1 && end - first >= window) smoothStretch(values, smoothed, first, end, window);
    first = end;
  }
  return smoothed;
};

// Sums within blocks of one window, forward and backward. A difference of running sums would lose
// all digits after a single huge value.
const smoothStretch = (values, smoothed, first, end, window) => {
  const count = end - first;
  const half = (window - 1) / 2;
  const forward = new Float64Array(count);
  const backward = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    forward[i] = values[first + i] + (i % window ? forward[i - 1] : 0);
  }
  for (let i = count - 1; i >= 0; i--) {
    const last = i === count - 1 || i % window === window - 1;
    backward[i] = values[first + i] + (last ? 0 : backward[i + 1]);
  }
  for (let start = 0; start + window <= count; start++) {
    const sum = forward[start + window - 1] + (start % window ? backward[start] : 0);
    smoothed[first + start + half] = sum / window;
  }
  fitEnd(values, smoothed, first, 0, half);
  fitEnd(values, smoothed, end - window, half + 1, half);
};

const fitEnd = (values, smoothed, start, shift, half) => {
  let [mean, slope, squares] = [0, 0, 0];
  for (let k = -half; k <= half; k++) {
    mean += values[start + half + k];
    slope += k * values[start + half + k];
    squares += k * k;
  }
  mean /= 2 * half + 1;
  slope /= squares;
  for (let k = 0; k < half; k++) {
    smoothed[start + shift + k] = mean + slope * (shift + k - half);
  }
};

// (candidate - baseline) / |baseline|, in percent.
const relativeError = (baseline, candidate) => {
  const error = new Float64Array(baseline.length);
  for (let i = 0; i < error.length; i++) {
    error[i] = (100 * (candidate[i] - baseline[i])) / Math.abs(baseline[i]);
  }
  return error;
};

// The steps whose value is NaN or infinite.
const unfinite = (steps, values) => {
  const bad = [];
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) bad.push(steps[i]);
  return bad;
};
