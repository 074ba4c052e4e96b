// A run: its rows, unpacked into steps.  A step is one thing that happened at one side, with all
// it caused: what was called lost, the state that was left, and both control blocks afterwards.

const REFERENCE = JSON.parse(byId("reference").textContent);

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function segmentOf([flags, seq, ack, window, length, options]) {
  return { flags, seq, ack, window, length, ...options };
}

const space = (segment) => segment.length + segment.flags.includes("SYN") + segment.flags.includes("FIN");
const reason = (code) => [code, ...(REFERENCE.why[code] ?? ["", ""])];
const stateName = (state) => REFERENCE.states[state] ?? String(state);

const NOTHING = Object.freeze([]); // of a hundred thousand steps most cause nothing

// One step; what is told of it is put into words when somebody looks.
class Step {
  constructor(run, n, kind, time, side, fields) {
    this.run = run;
    this.n = n;
    this.kind = kind;
    this.time = time;
    this.side = side;
    this.moves = NOTHING;
    this.losses = NOTHING;
    this.states = run.states;
    this.blocks = run.blocks;
    Object.assign(this, fields);
  }

  get told() {
    return tell(this, this.run.nameOf(this.side));
  }

  get ofNote() {
    return "xfmpn".includes(this.kind) || this.moves.length + this.losses.length > 0 || !!(this.kind === "s" && this.again)
      || !!this.dropped || /SYN|FIN|RST/.test(this.segment?.flags ?? "");
  }
}

class Run {
  constructor(packed) {
    Object.assign(this, packed);
    this.steps = [];
    this.states = [null, null];
    this.blocks = [null, null];
    this.stepOfRow = [];
    let now = 0;
    packed.rows.forEach(([kind, wait, side, ...fields], n) => {
      now += wait;
      this[`row_${kind}`](n, now / 1e9, side, ...fields);
    });
    delete this.rows;
    const begin = this.stepOfRow.slice(0, (packed.start ?? 0) + 1).findLast(Boolean);
    this.begin = begin?.n ?? 0;
    this.moving = this.steps.filter((step) => step.moves.length);
  }

  // The last step at or before a time.
  at(time) {
    let low = 0;
    let high = this.steps.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.steps[middle].time <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  step(kind, n, time, side, fields) {
    const step = new Step(this, this.steps.length, kind, time, side, fields);
    this.stepOfRow[n] = step;
    this.steps.push(step);
    return step;
  }

  // The pairs are never changed, for steps have them in common.
  enter(side, state) {
    if (this.states[side] !== state) this.states = this.states.with(side, state);
  }

  settle(side) {
    const step = this.steps.at(-1) ?? this.step("w", -1, 0, side, {});
    step.states = this.states;
    step.blocks = this.blocks;
  }

  // -- rows, by their kind ------------------------------------------------------------------------

  row_w(n, time, side, state) {
    this.enter(side, state);
  }

  row_s(n, time, side, state, segment, why, again) {
    this.enter(side, state);
    this.step("s", n, time, side, { segment: segmentOf(segment), reason: why, again: !!again });
  }

  row_r(n, time, side, state, back, segment, dropped) {
    this.enter(side, state);
    const from = back ? this.stepOfRow[n - back] : undefined;
    const step = this.step("r", n, time, side, {
      from, dropped, segment: from ? from.segment : segmentOf(segment), again: from?.again ?? false,
    });
    if (from) from.to = step;
  }

  row_x(n, time, side, back, segment) {
    const from = back ? this.stepOfRow[n - back] : undefined;
    const step = this.step("x", n, time, side, { from, segment: from ? from.segment : segmentOf(segment) });
    if (from) from.lost = step;
  }

  row_m(n, time, side, before, after, cause, why) {
    this.enter(side, after);
    const last = this.steps.at(-1);
    const move = { before, after, cause, reason: why };
    const caused = last && last.side === side && last.time === time && "rfm".includes(last.kind);
    const step = caused ? last : this.step("m", n, time, side, {});
    step.moves = [...step.moves, move];
    step.states = this.states;
  }

  row_l(n, time, side, left, right, why) {
    this.settle(side);
    const step = this.steps.at(-1);
    step.losses = [...step.losses, { left, right, reason: why }];
  }

  row_f(n, time, side, timer) {
    this.step("f", n, time, side, { timer });
  }

  row_p(n, time, side, peer, local, why) {
    this.step("p", n, time, side, { peer, local, reason: why });
  }

  row_n(n, time, side, does, why) {
    this.step("n", n, time, side, { does, reason: why });
  }

  row_b(n, time, side, news) {
    const before = this.blocks[side];
    const timers = news.timers ?? before?.timers ?? {};
    const since = {};
    for (const [name, expires] of Object.entries(timers)) {
      since[name] = before?.timers[name] === expires ? before.since[name] : time;
    }
    this.blocks = this.blocks.with(side, { ...before, ...news, timers, since });
    if (news.state !== undefined) this.enter(side, news.state);
    this.settle(side);
  }

  row_gap(n, time, side, count) {
    this.step("gap", n, time, side, { count });
  }

  nameOf(side) {
    return this.sides[side] || "the other side";
  }
}

// A step of the side that is called `name` in words: `text`, `gist` without numbers, `why` (code,
// sentence, section) and `more` that it caused.
function tell(step, name) {
  const { segment, moves, losses } = step;
  const size = segment?.length ? ` with ${segment.length} octets` : "";
  const told = { why: ["", "", ""] };
  if (step.kind === "s") {
    told.text = `${name} sends ${header(segment)}${step.again ? " again" : ""}`;
    told.gist = `${name} sends ${segment.flags}${size}${step.again ? " again" : ""}`;
    told.why = reason(step.reason);
  } else if (step.kind === "r") {
    told.text = `${name} receives ${header(segment)}`;
    told.gist = `${name} receives ${segment.flags}${size}`;
    told.why = ["", step.dropped ? `Dropped: ${step.dropped}.` : "It is accepted.", "RFC 9293 §3.10.7"];
  } else if (step.kind === "x") {
    told.text = `the link loses ${name}'s ${header(segment)}`;
    told.gist = `the link loses ${name}'s ${segment.flags}${size}`;
    told.why = ["", "The path lost it; neither side knows yet.", ""];
  } else if (step.kind === "f") {
    told.text = told.gist = `the ${step.timer} timer of ${name} expires`;
    told.why = ["", "Nothing happened before it did that would have stopped it.", REFERENCE.timers[step.timer] ?? ""];
  } else if (step.kind === "p") {
    told.text = told.gist = `${name} goes another way: to ${step.peer}${step.local ? ` from ${step.local}` : ""}`;
    told.why = reason(step.reason);
  } else if (step.kind === "n") {
    told.text = told.gist = `${name} ${step.does}`;
    if (step.reason) told.why = reason(step.reason);
  } else if (step.kind === "m") {
    const { before, after, cause } = moves[0];
    told.text = told.gist = `${name}: ${cause}, ${stateName(before)} → ${stateName(after)}`;
  } else if (step.kind === "gap") {
    told.text = told.gist = `${step.count} events are left out here, for they do not fit`;
    told.why = ["", "The graphs show all of the run.", ""];
  } else {
    told.text = told.gist = `${name} is watched from here on`;
  }
  const [cause] = [...moves, ...losses];
  if (cause && !told.why[0]) told.why = reason(cause.reason);
  told.more = [
    ...moves.map((each) => `${stateName(each.before)} → ${stateName(each.after)} (${each.cause})`),
    ...losses.map((each) => `${name} calls ${each.left}–${each.right - 1} lost (${each.reason})`),
  ];
  if (step.kind === "m") told.more.shift();
  return told;
}
