// The page: which step is shown, and the keys.

const PLAY_INTERVAL = 400; // milliseconds from one step to the next

const NAMING = 300; // milliseconds that a step is shown before the address names it

class Page {
  // `offer`: what else can be done about a step, as an element or nothing.
  constructor(runs, offer = () => "") {
    this.offer = offer;
    this.n = this.linked() ?? runs[0].begin;
    this.playing = null;
    this.quiz = new Quiz(byId("quiz"), (n) => this.go(n), () => this.askNext());
    this.graphs = new Graphs(byId("graphs"), (time) => this.go(this.run.at(time)));
    this.take(runs);
    this.listen();
  }

  // Show other runs, at the step that is shown.
  take(runs) {
    this.stop();
    if (this.quiz.on) this.toggleQuiz();
    this.runs = runs;
    this.active = 0;
    this.both = runs.length > 1;
    this.ladders = runs.map((run, which) => new Ladder(run, (n) => this.pick(which, n)));
    const [first] = runs;
    this.side = first.graphs[1].octets > first.graphs[0].octets ? 1 : 0;
    byId("compare-button").hidden = byId("run-button").hidden = runs.length < 2;
    this.arrange();
  }

  // The step that the address names: #9 is the ninth.
  linked() {
    return /^#\d+$/.test(location.hash) ? +location.hash.slice(1) - 1 : null;
  }

  get run() {
    return this.runs[this.active];
  }

  get hidesFuture() {
    return this.quiz.on; // after an answer too, for what comes then is asked next
  }

  // -- what is shown --------------------------------------------------------------------------------

  // Set up what does not depend on the step.
  arrange() {
    const shown = this.both ? this.runs : [this.run];
    document.querySelector("main").classList.toggle("both", this.both);
    byId("ladders").replaceChildren(...(this.both ? this.ladders : [this.ladders[this.active]]).map((each) => each.node));
    this.ladders.forEach((each, which) => each.node.classList.toggle("active", this.both && which === this.active));
    byId("compare-button").setAttribute("aria-pressed", this.both);
    const { run } = this;
    const facts = [`${run.steps.length} steps`];
    const gap = run.steps.find((each) => each.kind === "gap");
    if (gap) facts.push(`${gap.count} events in the middle are left out`);
    if (run.seed !== null) facts.push(`seed ${run.seed}`);
    if (run.library) facts.push(`rudp ${run.library}`);
    const [others, ...named] = run.others;
    if (others) facts.push(`not shown: ${named.join(", ")}${others > named.length ? ` and ${others - named.length} more` : ""}`);
    byId("about").textContent = `${this.runs.length > 1 ? `${run.name}: ` : ""}${facts.join(", ")}.`;
    byId("scrubber").max = run.steps.length - 1;
    byId("side").textContent = `graphs: ${run.nameOf(this.side)}`;
    this.graphs.build(shown, this.side);
    this.measure();
    showFigures(byId("compare"), this.both ? this.runs : [run]);
    this.go(this.n);
  }

  measure() {
    this.room = byId("space").clientWidth;
  }

  go(n) {
    const { run } = this;
    this.n = Math.max(0, Math.min(n, run.steps.length - 1));
    const step = run.steps[this.n];
    clearTimeout(this.naming);
    this.naming = setTimeout(() => history.replaceState(null, "", `#${this.n + 1}`), NAMING);
    byId("scrubber").value = this.n;
    byId("place").textContent = `step ${this.n + 1} of ${run.steps.length}, ${clock(step.time)}`;
    this.tellWhy(step);
    this.ladders.forEach((ladder, which) => {
      const at = which === this.active ? this.n : this.runs[which].at(step.time);
      if (this.both || which === this.active) ladder.show(at, this.hidesFuture);
    });
    showBlocks(byId("blocks"), run, this.n);
    showSpace(byId("space"), run, this.n, this.room);
    showTimers(byId("timers"), run, this.n);
    showStates(byId("states"), run, this.n);
    this.graphs.show(step.time, this.hidesFuture);
  }

  tellWhy(step) {
    const { told } = step;
    const [code, sentence, section] = told.why;
    byId("why").replaceChildren(
      html("p", { class: "what" }, told.text),
      html("p", {}, sentence, sectionLinks(section), code ? html("span", { class: "section" }, code) : ""),
      html("p", { class: "more" }, told.more.join(". ")),
      this.offer(step));
  }

  // -- what the user does ---------------------------------------------------------------------------

  pick(which, n) {
    if (this.hidesFuture) return;
    if (which !== this.active) {
      this.active = which;
      this.n = n;
      this.arrange();
    } else {
      this.go(n);
    }
  }

  forward() {
    if (!this.quiz.on) this.go(this.n + 1);
    else if (this.quiz.asking) this.quiz.answer(null);
    else this.askNext();
  }

  move(n) {
    this.go(n);
    if (this.quiz.on) this.askNext();
  }

  askNext() {
    this.quiz.ask(this.run, this.n);
    this.go(this.n);
  }

  note(way) {
    let n = this.n + way;
    while (this.run.steps[n] && !this.run.steps[n].ofNote) n += way;
    if (this.run.steps[n]) this.move(n);
  }

  toggleQuiz() {
    this.stop();
    this.quiz.on = !this.quiz.on;
    this.quiz.asking = false;
    byId("quiz").hidden = !this.quiz.on;
    byId("quiz-button").setAttribute("aria-pressed", this.quiz.on);
    document.body.classList.toggle("quizzing", this.quiz.on);
    if (this.quiz.on) this.askNext();
    else this.go(this.n);
  }

  toggleBoth() {
    if (this.runs.length < 2) return;
    this.both = !this.both;
    this.arrange();
  }

  switchRun() {
    if (this.runs.length < 2) return;
    const { time } = this.run.steps[this.n];
    this.active = 1 - this.active;
    this.n = this.run.at(time);
    this.arrange();
    if (this.quiz.on) this.askNext();
  }

  switchSide() {
    this.side = 1 - this.side;
    this.arrange();
  }

  zoom(factor) {
    for (const ladder of this.ladders) if (ladder.node.isConnected) ladder.zoomBy(factor);
  }

  play() {
    if (this.playing !== null || this.quiz.on) return this.stop();
    byId("play").textContent = "■ stop";
    this.playing = setInterval(() => {
      if (this.n >= this.run.steps.length - 1) this.stop();
      else this.forward();
    }, PLAY_INTERVAL);
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    byId("play").textContent = "▶ play";
  }

  listen() {
    const last = () => this.move(this.run.steps.length - 1);
    const help = byId("help");
    const keys = {
      ArrowRight: () => this.forward(), ArrowLeft: () => this.move(this.n - 1),
      PageDown: () => this.move(this.n + 10), PageUp: () => this.move(this.n - 10),
      Home: () => this.move(0), End: last, " ": () => this.play(), n: () => this.note(1), p: () => this.note(-1),
      s: () => this.switchSide(), q: () => this.toggleQuiz(), c: () => this.toggleBoth(), r: () => this.switchRun(),
      "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), 0: () => this.zoom(0), "?": () => help.showModal(),
    };
    for (let at = 0; at < ANSWERS; at++) keys[at + 1] = () => this.quiz.on && this.quiz.answer(at);
    document.addEventListener("keydown", (event) => {
      const isButton = event.target.tagName === "BUTTON" && (event.key === " " || event.key === "Enter");
      if (event.ctrlKey || event.altKey || event.metaKey || help.open || isButton) return;
      const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
      if (!act) return;
      event.preventDefault();
      if (event.key !== " ") this.stop();
      act();
    });
    const buttons = {
      first: keys.Home, back: keys.ArrowLeft, play: keys[" "], forward: keys.ArrowRight, last: keys.End,
      event: keys.n, side: keys.s, "quiz-button": keys.q, "compare-button": keys.c, "run-button": keys.r, "help-button": keys["?"],
    };
    for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener("click", act);
    byId("scrubber").addEventListener("input", (event) => this.move(+event.target.value));
    window.addEventListener("hashchange", () => this.linked() !== null && this.move(this.linked()));
    new ResizeObserver(() => {
      if (byId("space").clientWidth === this.room) return;
      this.measure();
      showSpace(byId("space"), this.run, this.n, this.room);
    }).observe(byId("space"));
    const repaint = (printing) => {
      document.documentElement.classList.toggle("printing", printing);
      this.arrange();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => repaint(false));
    window.addEventListener("beforeprint", () => repaint(true));
    window.addEventListener("afterprint", () => repaint(false));
  }
}

// Sections of an RFC, such as "RFC 5961 §3.2, §4.2", as links to where they stand.
function sectionLinks(text) {
  const rfc = text.match(/^RFC (\d+)/);
  if (!rfc) return text ? [html("span", { class: "section" }, text)] : [];
  return text.split(", ").map((each) => {
    const section = each.match(/§([\d.]+)/);
    const page = `https://www.rfc-editor.org/rfc/rfc${rfc[1]}.html${section ? `#section-${section[1]}` : ""}`;
    return html("a", { class: "section", href: page, target: "_blank", rel: "noopener noreferrer" }, each);
  });
}

async function start() {
  const packed = [...document.querySelectorAll("script.run")];
  if (!packed.length) return new Framed();
  const runs = await Promise.all(packed.map(async (each) => new Run(await unpack(each.textContent))));
  new Page(runs);
}

start().catch((error) => {
  byId("about").textContent = `This browser cannot draw the page: ${error.message}`;
  throw error;
});
