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
    for (const step of this.steps) this.explain(step);
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
    const step = {
      n: this.steps.length, kind, time, side, moves: [], losses: [],
      states: [...this.states], blocks: [...this.blocks], ...fields,
    };
    this.stepOfRow[n] = step;
    this.steps.push(step);
    return step;
  }

  settle(side) {
    const step = this.steps.at(-1) ?? this.step("w", -1, 0, side, {});
    step.states = [...this.states];
    step.blocks = [...this.blocks];
  }

  // -- rows, by their kind ------------------------------------------------------------------------

  row_w(n, time, side, state) {
    this.states[side] = state;
  }

  row_s(n, time, side, state, segment, why, again) {
    this.states[side] = state;
    this.step("s", n, time, side, { segment: segmentOf(segment), why: reason(why), again: !!again });
  }

  row_r(n, time, side, state, back, segment, dropped) {
    this.states[side] = state;
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
    this.states[side] = after;
    const last = this.steps.at(-1);
    const move = { before, after, cause, why: reason(why) };
    const caused = last && last.side === side && last.time === time && "rfm".includes(last.kind);
    const step = caused ? last : this.step("m", n, time, side, {});
    step.moves.push(move);
    step.states = [...this.states];
  }

  row_l(n, time, side, left, right, why) {
    this.settle(side);
    this.steps.at(-1).losses.push({ left, right, why: reason(why) });
  }

  row_f(n, time, side, timer) {
    this.step("f", n, time, side, { timer });
  }

  row_b(n, time, side, news) {
    const before = this.blocks[side];
    const timers = news.timers ?? before?.timers ?? {};
    const since = {};
    for (const [name, expires] of Object.entries(timers)) {
      since[name] = before?.timers[name] === expires ? before.since[name] : time;
    }
    this.blocks[side] = { ...before, ...news, timers, since };
    if (news.state !== undefined) this.states[side] = news.state;
    this.settle(side);
  }

  row_gap(n, time, side, count) {
    this.step("gap", n, time, side, { count });
  }

  // -- words ----------------------------------------------------------------------------------------

  nameOf(side) {
    return this.sides[side] || "the other side";
  }

  explain(step) {
    const name = this.nameOf(step.side);
    const segment = step.segment;
    const size = segment?.length ? ` with ${segment.length} octets` : "";
    if (step.kind === "s") {
      step.text = `${name} sends ${header(segment)}${step.again ? " again" : ""}`;
      step.gist = `${name} sends ${segment.flags}${size}${step.again ? " again" : ""}`;
    } else if (step.kind === "r") {
      step.text = `${name} receives ${header(segment)}`;
      step.gist = `${name} receives ${segment.flags}${size}`;
      step.why = ["", step.dropped ? `Dropped: ${step.dropped}.` : "It is accepted.", "RFC 9293 §3.10.7"];
    } else if (step.kind === "x") {
      step.text = `the link loses ${name}'s ${header(segment)}`;
      step.gist = `the link loses ${name}'s ${segment.flags}${size}`;
      step.why = ["", "The path lost it; neither side knows yet.", ""];
    } else if (step.kind === "f") {
      step.text = step.gist = `the ${step.timer} timer of ${name} expires`;
      step.why = ["", "Nothing happened before it did that would have stopped it.", REFERENCE.timers[step.timer] ?? ""];
    } else if (step.kind === "m") {
      const { before, after, cause } = step.moves[0];
      step.text = step.gist = `${name}: ${cause}, ${stateName(before)} → ${stateName(after)}`;
    } else if (step.kind === "gap") {
      step.text = step.gist = `${step.count} events are left out here, for they do not fit`;
      step.why = ["", "The graphs show all of the run.", ""];
    } else {
      step.text = step.gist = `${name} is watched from here on`;
    }
    const [cause] = [...step.moves, ...step.losses];
    if (cause && (!step.why || !step.why[0])) step.why = cause.why;
    step.why ??= ["", "", ""];
    step.more = [
      ...step.moves.map((m) => `${stateName(m.before)} → ${stateName(m.after)} (${m.cause})`),
      ...step.losses.map((l) => `${name} calls ${l.left}–${l.right - 1} lost (${l.why[0]})`),
    ];
    if (step.kind === "m") step.more.shift();
    step.ofNote = "xfm".includes(step.kind) || step.more.length > 0 || (step.kind === "s" && step.again)
      || !!step.dropped || /SYN|FIN|RST/.test(segment?.flags ?? "");
  }
}
