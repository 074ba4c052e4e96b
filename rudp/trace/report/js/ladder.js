// The ladder: two life lines, time running down, an arrow for each segment.  A height is found for
// every step; drawn is only what can be seen.

const ROW = 19; // pixels between two things at one side, at least
const GAP = 76; // pixels that a silence takes, at most; longer ones are broken
const SLANT = 40; // pixels by which an arrow of the usual delay falls
const TOP = 26;
const AROUND = 1500; // pixels above and below what is seen in which an arrow may begin or end
const LOST_AT = 0.8; // the share of its way that a lost segment is drawn to have made
const LEFT_MARGIN = 188;
const RIGHT_MARGIN = 112;

class Ladder {
  constructor(run, onPick) {
    this.run = run;
    this.onPick = onPick;
    this.current = 0;
    this.hidesFuture = false;
    this.layOut();
    this.picture = svg("svg", { role: "img", "aria-label": "ladder" });
    this.spacer = html("div");
    this.spacer.style.height = `${this.height}px`;
    this.scroll = html("div", { class: "scroll", tabindex: 0, onscroll: () => this.draw() }, this.spacer, this.picture);
    this.node = html("div", { class: "ladder" },
      html("div", { class: "names" }, html("span", {}, run.nameOf(0)), html("span", { class: "dim" }, run.name ?? ""), html("span", {}, run.nameOf(1))),
      this.scroll);
  }

  layOut() {
    const { steps } = this.run;
    const delays = steps.filter((s) => s.to && s.to.time > s.time).map((s) => s.to.time - s.time).sort((a, b) => a - b);
    const scale = SLANT / (delays.length ? delays[delays.length >> 1] : 0.01);
    this.breaks = [];
    const lowest = [TOP - ROW, TOP - ROW];
    let here = TOP;
    let now = steps[0]?.time ?? 0;
    for (const step of steps) {
      const wait = (step.time - now) * scale;
      if (wait > GAP) this.breaks.push({ y: here, seconds: step.time - now });
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
    }
    this.height = Math.max(...lowest, here) + 60;
    // What does not arrive would have fallen as its neighbour at the same side does.
    for (const order of [steps, steps.toReversed()]) {
      const fall = [undefined, undefined];
      for (const step of order) {
        if (step.kind !== "s") continue;
        if (step.to) fall[step.side] = step.to.y - step.y;
        else step.fall ??= fall[step.side];
      }
    }
  }

  show(current, hidesFuture) {
    this.current = current;
    this.hidesFuture = hidesFuture;
    const y = this.run.steps[current]?.y ?? 0;
    const height = this.scroll.clientHeight;
    const upper = this.scroll.scrollTop + height * 0.2;
    if (y < upper || y > upper + height * 0.5) this.scroll.scrollTop = y - height * 0.45;
    this.draw();
  }

  draw() {
    const { steps } = this.run;
    const width = this.scroll.clientWidth;
    if (!width || !steps.length) return;
    const height = this.scroll.clientHeight;
    const top = Math.max(0, this.scroll.scrollTop - 100);
    const bottom = Math.min(this.height, this.scroll.scrollTop + height + 100);
    this.x = [LEFT_MARGIN, width - RIGHT_MARGIN];
    this.picture.setAttribute("width", width);
    this.picture.setAttribute("height", bottom - top);
    this.picture.setAttribute("viewBox", `0 ${top} ${width} ${bottom - top}`);
    this.picture.style.top = `${top}px`;
    const end = this.hidesFuture ? steps[this.current].y : this.height - 20;
    const parts = this.x.map((x) => line(x, Math.max(top, 4), x, Math.min(bottom, end + 12), "life"));
    for (const each of this.breaks) {
      if (each.y < top - GAP || each.y > bottom || (this.hidesFuture && each.y >= end)) continue;
      parts.push(label(width / 2, each.y + GAP / 2 + 4, `${seconds(each.seconds)} later`, "time", "middle"));
      parts.push(...this.x.map((x) => line(x, each.y + GAP * 0.3, x, each.y + GAP * 0.7, "broken")));
    }
    let lastTime = null;
    let lastY = -ROW;
    this.crosses = []; // above all else
    for (let n = this.firstBelow(top - AROUND); n < steps.length && steps[n].y < bottom + AROUND; n++) {
      const step = steps[n];
      if (this.hidesFuture && n > this.current) break;
      parts.push(...this.drawStep(step, top, bottom));
      if (step.time !== lastTime && step.y >= lastY + ROW) {
        parts.push(label(4, step.y + 4, clock(step.time), n > this.current ? "time future" : "time"));
        lastTime = step.time;
        lastY = step.y;
      }
    }
    const now = steps[this.current];
    parts.push(line(0, now.y, width, now.y, "here-line"));
    if (now.kind !== "gap") parts.push(svg("circle", { class: "here", cx: this.x[now.side], cy: now.y, r: 5 }));
    this.picture.replaceChildren(...parts, ...this.crosses);
  }

  firstBelow(y) {
    let low = 0;
    let high = this.run.steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.run.steps[middle].y < y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  drawStep(step, top, bottom) {
    const when = step.n === this.current ? "now" : step.n > this.current ? "future" : "";
    if (step.kind === "gap") {
      return [label((this.x[0] + this.x[1]) / 2, step.y + 4, `… ${step.count} events left out …`, `dim ${when}`, "middle")];
    }
    const parts = [];
    const seen = step.y > top - 40 && step.y < bottom + 40;
    const notes = this.notes(step);
    if (seen && notes) {
      const x = step.side === 0 ? this.x[0] - 9 : this.x[1] + 9;
      const state = step.moves.length > 0;
      const text = label(x, step.y + 4, notes, `${state ? "state" : "dim"} ${when}`, step.side === 0 ? "end" : "start");
      text.append(svg("title", {}, step.text));
      parts.push(text);
    }
    const until = step.to?.y ?? step.y;
    if (step.kind === "s" && until > top - 60 && step.y < bottom + 60) parts.push(this.arrow(step, when));
    if (step.kind === "r" && !step.from && seen) parts.push(this.arrow(step, when));
    return parts;
  }

  notes(step) {
    if (step.moves.length) return stateName(step.moves.at(-1).after);
    if (step.kind === "f") return step.timer;
    if (step.dropped) return "dropped";
    if (step.losses.length) return "calls it lost";
    return "";
  }

  arrow(step, when) {
    const sender = step.kind === "s" ? step.side : 1 - step.side;
    let [x1, x2] = sender === 0 ? this.x : [this.x[1], this.x[0]];
    const arrives = step.to && !(this.hidesFuture && step.to.n > this.current);
    const known = arrives || !this.run.sides[1 - sender];
    let y1 = step.y;
    let y2 = arrives ? step.to.y : step.y + (step.fall ?? SLANT);
    if (step.kind === "r") {
      [x1, y1, y2] = [x1 + (x2 - x1) * (1 - LOST_AT), step.y - SLANT * LOST_AT, step.y];
    } else if (!known) {
      x2 = x1 + (x2 - x1) * LOST_AT;
      y2 = y1 + (y2 - y1) * LOST_AT;
    }
    const { segment } = step;
    const kind = step.again ? "again" : space(segment) > segment.length || segment.flags.includes("RST") ? "control" : segment.length ? "data" : "ack";
    const lost = step.lost && !(this.hidesFuture && step.lost.n > this.current);
    const isSeen = (step.kind === "s" && arrives) || lost;
    const flown = when || (step.to && step.to.n === this.current ? "now" : "");
    const group = svg("g", { class: `arrow ${kind} ${flown} ${isSeen ? "" : "unseen"}`, onclick: () => this.onPick(step.n) });
    const slope = (y2 - y1) / Math.abs(x2 - x1);
    group.append(line(x1, y1, x2, y2, "hit"), line(x1, y1, x2, y2, "shaft"));
    if (lost) {
      const cross = [line(x2 - 6, y2 - 6, x2 + 6, y2 + 6, "cross"), line(x2 - 6, y2 + 6, x2 + 6, y2 - 6, "cross")];
      this.crosses.push(svg("g", { class: when }, cross));
    } else {
      const back = x2 > x1 ? -8 : 8;
      const base = y2 - 8 * slope;
      group.append(svg("polygon", { points: `${x2},${y2} ${x2 + back},${base - 4} ${x2 + back},${base + 4}` }));
    }
    // The words begin at the sender: those of arrows that cross keep apart.
    const way = Math.sign(x2 - x1);
    const angle = (Math.atan(slope) * 180) / Math.PI * way;
    const text = label(0, -4, header(segment) + (step.again ? " again" : ""), "", way > 0 ? "start" : "end");
    text.setAttribute("transform", `translate(${x1 + 16 * way} ${y1 + slope * 16}) rotate(${angle})`);
    group.append(text, svg("title", {}, [step.text, ...step.why].join("\n")));
    return group;
  }
}
