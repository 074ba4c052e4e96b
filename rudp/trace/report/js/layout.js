// Where everything in a ladder stands: a height for every step, in pixels at zoom 1.  Time runs
// down, but two things at one side keep a distance, so that what happens at one instant can be read.

const ROW = 19; // between two things at one side, at least
const GAP = 76; // what a silence takes, at most; longer ones are broken
const SLANT = 40; // by which an arrow of the usual delay falls
const TOP = 26;
const FALL = 200; // by which most arrows fall at the zoom that a ladder begins with, at most

// Give each step of `run` its `y`, and to what leaves its `fall` and its `order` among the departures
// of its side.
function layOut(run) {
  const { steps } = run;
  const delays = steps.filter((s) => s.to && s.to.time > s.time).map((s) => s.to.time - s.time).sort((a, b) => a - b);
  const scale = SLANT / (delays.length ? delays[delays.length >> 1] : 0.01);
  const breaks = [];
  const departures = [[], []];
  const lowest = [TOP - ROW, TOP - ROW];
  let here = TOP;
  let now = steps[0]?.time ?? 0;
  for (const step of steps) {
    const wait = (step.time - now) * scale;
    if (wait > GAP) breaks.push({ y: here, seconds: step.time - now });
    here += Math.min(wait, GAP);
    now = step.time;
    if (step.kind === "x" && step.from) {
      step.y = step.from.y;
      continue;
    }
    if (step.kind === "gap") {
      here = Math.max(here, ...lowest) + ROW * 2;
      step.y = here;
      lowest.fill(here + ROW);
      continue;
    }
    here = step.y = Math.max(here, lowest[step.side] + ROW);
    lowest[step.side] = here;
    if (step.kind === "s" || (step.kind === "r" && !step.from)) {
      const side = step.kind === "s" ? step.side : 1 - step.side;
      step.order = departures[side].length;
      departures[side].push(step);
    }
  }
  // What does not arrive would have fallen as its nearest neighbours at the same side do.
  for (const sent of departures) {
    const near = new Map(sent.filter((step) => !step.to).map((step) => [step, []]));
    for (const way of [1, -1]) {
      let last;
      for (let at = way > 0 ? 0 : sent.length - 1; sent[at]; at += way) {
        const step = sent[at];
        if (step.to) {
          last = step;
          step.fall = step.to.y - step.y;
        } else if (last) {
          near.get(step).push(last);
        }
      }
    }
    for (const [step, neighbours] of near) {
      const far = neighbours.map((each) => Math.abs(each.y - step.y));
      const nearest = neighbours.filter((_, n) => far[n] === Math.min(...far));
      step.fall = nearest.length ? nearest.reduce((sum, each) => sum + each.fall, 0) / nearest.length : SLANT;
    }
  }
  const falls = departures.flat().map((step) => step.fall).sort((a, b) => a - b);
  const usual = falls[Math.floor(falls.length * 0.9)] ?? SLANT; // few fall further
  return {
    breaks, departures, usual, zoom: Math.min(1, FALL / usual),
    height: Math.max(...lowest, here) + 60, longest: falls.at(-1) ?? SLANT,
  };
}

// Let each arrow of `mine` know whether one of the `others` comes closer than `margin` to it.
function markCrossed(mine, others, margin) {
  let lowest = -Infinity; // of what the other side has sent by then
  let at = 0;
  for (const step of mine) {
    for (; at < others.length && others[at].y < step.y + step.fall + margin; at++) lowest = Math.max(lowest, others[at].y + others[at].fall);
    step.crossed = lowest > step.y - margin;
  }
}
