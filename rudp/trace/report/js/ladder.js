// The ladder: two life lines, time running down, an arrow for each segment.  Drawn is only what can
// be seen.  Of arrows that lie close together some have their words, chosen so that none covers
// another; the current one and its neighbours always have.

const LOST_AT = 0.8; // the share of its way that a lost segment is drawn to have made
const CROSS_FALL = 0.28; // the share of the view below its start in which its cross is, at least
const ZOOM_MAX = 4;
const PITCH_MIN = 0.5; // pixels between two things at one side when all is as small as it gets
const PITCH_DENSE = 8; // below this, plain arrows are drawn all in one
const LETTERING = 14; // pixels that a line of words takes
const STEEP = 0.5; // the usual slope from which on words are level and do not follow their arrow
const NARROW = 560; // pixels of width below which margins and letters are smaller

class Ladder {
  constructor(run, onPick) {
    this.run = run;
    this.onPick = onPick;
    this.current = 0;
    this.hidesFuture = false;
    this.layout = layOut(run);
    this.zoom = this.layout.zoom;
    this.labelled = null; // the steps whose arrows may have words; found anew when the zoom changes
    const between = `${run.nameOf(0)} and ${run.nameOf(1)}`;
    this.picture = svg("svg", { role: "img", "aria-label": `Ladder of ${between}`, onclick: (event) => this.pick(event) });
    this.spacer = html("div");
    this.scroll = html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Ladder of ${between}`, onscroll: () => this.draw() }, this.spacer, this.picture);
    this.scroll.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    new ResizeObserver(() => this.draw()).observe(this.scroll);
    this.map = new Minimap(run, this.layout, (share) => this.scrollTo(share));
    const button = (text, name, act) => html("button", { "aria-label": name, title: name, onclick: act }, text);
    this.node = html("div", { class: "ladder" },
      html("div", { class: "names" }, html("span", {}, run.nameOf(0)),
        html("span", { class: "zoom" }, html("span", { class: "dim" }, run.name ?? ""),
          button("−", "zoom out (-)", () => this.zoomBy(1 / 1.5)), button("+", "zoom in (+)", () => this.zoomBy(1.5)), button("↕", "usual zoom (0)", () => this.zoomBy(0))),
        html("span", {}, run.nameOf(1))),
      html("div", { class: "view" }, this.scroll, this.map.node));
  }

  // -- zoom and place -------------------------------------------------------------------------------

  y(step) {
    return step.y * this.zoom;
  }

  // Make time take `factor` times more room; 0: as at the beginning.  What is `at` pixels below the
  // upper end of the view stays there; without it, the current step does.
  zoomBy(factor, at) {
    const before = this.zoom;
    const fits = this.scroll.clientHeight / this.layout.height;
    const least = Math.min(this.layout.zoom, Math.max(fits, PITCH_MIN / ROW));
    this.zoom = factor ? Math.min(Math.max(before * factor, least), ZOOM_MAX) : this.layout.zoom;
    at ??= this.y(this.run.steps[this.current]) * (before / this.zoom) - this.scroll.scrollTop;
    const top = (this.scroll.scrollTop + at) * (this.zoom / before) - at;
    this.labelled = null;
    this.spacer.style.height = `${this.layout.height * this.zoom}px`;
    this.scroll.scrollTop = top;
    this.show(this.current, this.hidesFuture, at);
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoomBy(Math.exp(-Math.sign(event.deltaY) * 0.2), event.clientY - this.scroll.getBoundingClientRect().top);
  }

  scrollTo(share) {
    this.scroll.scrollTop = share * this.layout.height * this.zoom - this.scroll.clientHeight / 2;
  }

  // Show the step `current`; `free`: wherever it is.
  show(current, hidesFuture, free) {
    this.current = current;
    this.hidesFuture = hidesFuture;
    this.spacer.style.height = `${this.layout.height * this.zoom}px`;
    const y = this.run.steps.length ? this.y(this.run.steps[current]) : 0;
    const height = this.scroll.clientHeight;
    const upper = this.scroll.scrollTop + height * 0.2;
    if (free === undefined && (y < upper || y > upper + height * 0.5)) this.scroll.scrollTop = y - height * 0.45;
    this.draw();
  }

  // The arrow that a step belongs to, as the step that it begins with.
  arrowOf(step) {
    if (step.kind === "s") return step;
    return step.from ?? (step.kind === "r" ? step : null);
  }

  // The side from which an arrow comes.
  sender(arrow) {
    return arrow.kind === "s" ? arrow.side : 1 - arrow.side;
  }

  // Step to the arrow that was clicked, or the one closest to it.
  pick(event) {
    const box = this.picture.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top + this.top];
    let found = null;
    let closest = LETTERING;
    for (const { step, x1, y1, x2, y2 } of this.shafts) {
      const share = Math.min(Math.max(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2), 0), 1);
      const distance = Math.hypot(x1 + (x2 - x1) * share - x, y1 + (y2 - y1) * share - y);
      if (distance < closest) [found, closest] = [step, distance];
    }
    if (found) this.onPick(found.n);
  }

  // -- drawing --------------------------------------------------------------------------------------

  draw() {
    const { steps } = this.run;
    const width = this.scroll.clientWidth;
    if (!width || !steps.length) return;
    if (this.width !== width) this.labelled = null;
    this.width = width;
    this.narrow = width < NARROW;
    this.letter = this.narrow ? 6 : 6.95;
    this.x = this.narrow ? [60, width - 10] : [188, width - 112];
    const total = this.layout.height * this.zoom;
    const top = this.top = Math.max(0, this.scroll.scrollTop - 100);
    const bottom = Math.min(total, this.scroll.scrollTop + this.scroll.clientHeight + 100);
    this.picture.setAttribute("width", width);
    this.picture.setAttribute("height", bottom - top);
    this.picture.setAttribute("viewBox", `0 ${top} ${width} ${bottom - top}`);
    this.picture.classList.toggle("narrow", this.narrow);
    this.picture.style.top = `${top}px`;
    this.labelled ??= this.choose();
    const now = steps[this.current];
    const end = this.hidesFuture ? this.y(now) : total - 20;
    const parts = this.x.map((x) => line(x, Math.max(top, 4), x, Math.min(bottom, end + 12), "life"));
    const gap = GAP * this.zoom;
    for (const each of this.layout.breaks) {
      const y = each.y * this.zoom;
      if (gap < LETTERING || y < top - gap || y > bottom || (this.hidesFuture && y >= end)) continue;
      parts.push(label(this.x[0] + 16, y + gap / 2 + 4, `${seconds(each.seconds)} later`, "time"));
      parts.push(...this.x.map((x) => line(x, y + gap * 0.3, x, y + gap * 0.7, "broken")));
    }
    this.shafts = [];
    this.bulk = new Map(); // paths of many arrows, by their class
    this.crosses = []; // above all arrows
    const noted = [];
    const seen = [];
    const first = this.firstBelow(top / this.zoom - this.layout.longest);
    for (let n = first; n < steps.length; n++) {
      const step = steps[n];
      const y = this.y(step);
      if (y > bottom + SLANT * this.zoom || (this.hidesFuture && n > this.current)) break;
      if (step.kind === "gap") parts.push(label((this.x[0] + this.x[1]) / 2, y + 4, `… ${step.count} events left out …`, `dim ${this.when(step)}`, "middle"));
      else if (step.order !== undefined && (step.to ? this.y(step.to) : y + step.fall * this.zoom) > top) parts.push(...this.arrow(step));
      if (y > top - 40 && y < bottom + 40) {
        seen.push(step);
        if (this.note(step)) noted.push(step);
      }
    }
    for (const [kind, { shafts, heads }] of this.bulk) parts.push(svg("g", { class: kind }, svg("path", { class: "shaft", d: shafts.join("") }), svg("path", { class: "head", d: heads.join("") })));
    parts.push(line(0, this.y(now), width, this.y(now), "here-line"));
    if (now.kind !== "gap") parts.push(svg("circle", { class: "here", cx: this.x[now.side], cy: this.y(now), r: 5 }));
    const notes = this.notes(noted, now);
    const [mine, ...others] = this.labels(now);
    this.picture.replaceChildren(...parts, ...this.times(seen, now), ...notes, ...others, ...this.crosses, ...mine);
    this.map.draw(this.scroll, this.zoom, now, this.hidesFuture);
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

  when(step) {
    return step.n === this.current ? "now" : step.n > this.current ? "future" : "";
  }

  // The times of the steps that are seen, as far as there is room; always that of the current one.
  times(seen, now) {
    const parts = [label(4, this.y(now) + 4, clock(now.time), "time now")];
    let last = now.time;
    let lowest = -Infinity;
    for (const step of seen) {
      const y = this.y(step);
      if (step.time === last || y < lowest + ROW || Math.abs(y - this.y(now)) < ROW) continue;
      parts.push(label(4, y + 4, clock(step.time), step.n > this.current ? "time future" : "time"));
      [last, lowest] = [step.time, y];
    }
    return parts;
  }

  note(step) {
    if (step.moves.length) return stateName(step.moves.at(-1).after);
    if (step.kind === "f") return step.timer;
    if (step.kind === "p") return "another path";
    if (step.kind === "n") return step.does.split(" ")[0];
    if (step.dropped) return "dropped";
    if (step.losses.length) return "calls it lost";
    return "";
  }

  // Words beside the life lines, inside where it is narrow.  States have the right of way, and the
  // current step before them.
  notes(noted, now) {
    const rank = (step) => (step === now ? 0 : step.moves.length ? 1 : 2);
    const parts = [];
    this.taken = [[], []];
    if (this.narrow && now.kind === "s" && !this.note(now)) this.taken[now.side].push(this.y(now)); // its label begins there
    for (const step of noted.toSorted((one, other) => rank(one) - rank(other))) {
      const { side } = step;
      const y = this.y(step);
      if (this.taken[side].some((each) => Math.abs(each - y) < LETTERING - 2)) continue;
      this.taken[side].push(y);
      const isLeft = (side === 0) === this.narrow;
      const x = this.x[side] + (isLeft ? 9 : -9);
      const text = label(x, y + 4, this.note(step), `${step.moves.length ? "state" : "dim"} note ${this.when(step)}`, isLeft ? "start" : "end");
      text.append(svg("title", {}, step.told.text));
      parts.push(text);
    }
    return parts;
  }

  // -- arrows ---------------------------------------------------------------------------------------

  // Where the arrow of `step` begins and ends.
  shaft(step) {
    const sender = this.sender(step);
    let [x1, x2] = sender === 0 ? this.x : [this.x[1], this.x[0]];
    const arrives = step.to && !(this.hidesFuture && step.to.n > this.current);
    let y1 = this.y(step);
    let y2 = arrives ? this.y(step.to) : y1 + step.fall * this.zoom;
    if (step.kind === "r") {
      [x1, y1, y2] = [x1 + (x2 - x1) * (1 - LOST_AT), y1 - SLANT * this.zoom * LOST_AT, y1];
    } else if (!arrives && this.run.sides[1 - sender]) {
      const share = Math.min(LOST_AT, (CROSS_FALL * this.scroll.clientHeight) / (y2 - y1));
      [x2, y2] = [x1 + (x2 - x1) * share, y1 + (y2 - y1) * share];
    }
    return { step, x1, y1, x2, y2, arrives };
  }

  arrow(step) {
    const shaft = this.shaft(step);
    const { x1, y1, x2, y2, arrives } = shaft;
    this.shafts.push(shaft);
    const { segment } = step;
    const kind = step.again ? "again" : space(segment) > segment.length || segment.flags.includes("RST") ? "control" : segment.length ? "data" : "ack";
    const lost = step.lost && !(this.hidesFuture && step.lost.n > this.current);
    const isSeen = (step.kind === "s" && arrives) || lost;
    const isNow = step.n === this.current || step.to?.n === this.current || step.lost?.n === this.current;
    const when = isNow ? "now" : step.n > this.current ? "future" : "";
    shaft.kind = `arrow ${kind} ${when} ${isSeen ? "" : "unseen"}`;
    const slope = (y2 - y1) / Math.abs(x2 - x1);
    const dense = ROW * this.zoom < PITCH_DENSE;
    const size = dense ? 5 : 8;
    const back = x2 > x1 ? -size : size;
    const base = y2 - size * slope;
    if (lost) {
      const arm = dense && !isNow ? 5 : 6;
      const cross = [line(x2 - arm, y2 - arm, x2 + arm, y2 + arm, "cross"), line(x2 - arm, y2 + arm, x2 + arm, y2 - arm, "cross")];
      this.crosses.push(svg("g", { class: when }, cross));
    }
    if (dense && !isNow && !lost) {
      if (!this.bulk.has(shaft.kind)) this.bulk.set(shaft.kind, { shafts: [], heads: [] });
      const paths = this.bulk.get(shaft.kind);
      paths.shafts.push(`M${x1} ${y1.toFixed(1)}L${x2} ${y2.toFixed(1)}`);
      paths.heads.push(`M${x2} ${y2.toFixed(1)}L${x2 + back} ${(base - 2.5).toFixed(1)}V${(base + 2.5).toFixed(1)}Z`);
      return [];
    }
    const group = svg("g", { class: shaft.kind }, line(x1, y1, x2, y2, "shaft"), svg("title", {}, [step.told.text, ...step.told.why].join("\n")));
    if (!lost) group.append(svg("polygon", { points: `${x2},${y2} ${x2 + back},${base - 4} ${x2 + back},${base + 4}` }));
    return [group];
  }

  // -- words at arrows ------------------------------------------------------------------------------

  // How far apart the words of two arrows that begin at one side must begin.
  distance(step) {
    const slope = (step.fall * this.zoom) / (this.x[1] - this.x[0]);
    return this.level ? LETTERING * 2 : LETTERING * Math.hypot(1, slope);
  }

  // Choose, for this zoom, whose words there is room for.  What is rare has the right of way.
  choose() {
    const chosen = new Set();
    this.level = this.layout.usual * this.zoom >= STEEP * (this.x[1] - this.x[0]);
    this.layout.departures.forEach((departures, side) => {
      markCrossed(departures, this.layout.departures[1 - side], LETTERING / this.zoom);
      const rare = [];
      let lowest = -Infinity;
      for (const step of departures) {
        const y = this.y(step);
        if (!(step.lost || step.again || space(step.segment) > step.segment.length) || y < lowest + this.distance(step)) continue;
        rare.push(step);
        lowest = y;
      }
      rare.forEach((step) => chosen.add(step));
      lowest = -Infinity;
      let at = 0;
      for (const step of departures) {
        const y = this.y(step);
        if (rare[at] === step) [lowest, at] = [y, at + 1];
        else if (y >= lowest + this.distance(step) && !(at < rare.length && this.y(rare[at]) < y + this.distance(rare[at]))) {
          chosen.add(step);
          lowest = y;
        }
      }
    });
    return chosen;
  }

  // The words of what is drawn, first those of the current arrow.  These and its neighbours' are
  // always there, and may be moved a little; others keep away from them.
  labels(now) {
    const arrow = this.arrowOf(now);
    const forced = new Map(); // arrows that need words, and how much further down these stand
    let [first, last] = [Infinity, -Infinity];
    if (arrow) {
      const sent = this.layout.departures[this.sender(arrow)];
      const step = this.distance(arrow);
      const [before, after] = [sent[arrow.order - 1], sent[arrow.order + 1]];
      forced.set(arrow, 0);
      if (before) forced.set(before, Math.min(0, this.y(arrow) - step - this.y(before)));
      if (after) forced.set(after, Math.max(0, this.y(arrow) + step - this.y(after)));
      const places = [...forced].map(([each, moved]) => this.y(each) + moved);
      [first, last] = [Math.min(...places) - step, Math.max(...places) + step];
    }
    const mine = [];
    const others = [];
    const above = [null, null];
    for (const shaft of this.shafts) {
      const { step, y1 } = shaft;
      const side = this.sender(step);
      const moved = forced.get(step);
      if (moved === undefined) {
        if (!this.labelled.has(step)) continue;
        if (arrow && side === this.sender(arrow) && y1 > first && y1 < last) continue;
        if (this.narrow && this.taken[side].some((each) => Math.abs(each - y1 - 4) < LETTERING)) continue;
      }
      const text = this.words(shaft, moved, above[side]);
      if (!text) continue;
      above[side] = shaft;
      (step === arrow ? mine : others).push(text);
    }
    return [mine, ...others];
  }

  // The words of one arrow, as many as it has room for; `moved`: they are wanted, and stand so many
  // pixels further down; `above`: the arrow above it that has words.  They begin at the sender: those
  // of arrows that cross keep apart.
  words({ step, kind, x1, y1, x2, y2 }, moved, above) {
    const way = Math.sign(x2 - x1);
    const slope = (y2 - y1) / Math.abs(x2 - x1);
    const across = (this.x[1] - this.x[0]) * (this.level ? 1 : Math.hypot(1, slope));
    let room = (step.crossed ? across / 2 : across) - 20;
    if (above && !this.level) {
      const steeper = (above.y2 - above.y1) / Math.abs(above.x2 - above.x1) - slope;
      if (steeper > 0) room = Math.min(room, (y1 - above.y1 - LETTERING + 2) / steeper);
    }
    const again = step.again ? " again" : "";
    const fitting = forms(step.segment).map((each) => each + again);
    const text = fitting.find((each) => each.length * this.letter <= room) ?? (moved === undefined ? null : fitting.at(-1));
    if (!text) return null;
    const node = label(0, -4, text, "", way > 0 ? "start" : "end");
    const angle = this.level ? 0 : ((Math.atan(slope) * 180) / Math.PI) * way;
    node.setAttribute("transform", `translate(${x1 + 16 * way} ${y1 + (moved ?? 0) + (this.level ? 6 : slope * 16)}) rotate(${angle})`);
    return svg("g", { class: kind }, node);
  }
}
