// A page without a run of its own, inside another one: that hands over the runs, and is told which
// segments are to be lost in the next.

class Framed {
  constructor() {
    this.page = null;
    this.forced = new Set();
    window.addEventListener("message", ({ data, origin, source }) => {
      if (origin === location.origin && source === parent) this.take(data);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "x" || event.ctrlKey || event.altKey || event.metaKey) return;
      document.querySelector("#why button")?.click();
    });
    this.tell({ ready: true });
  }

  tell(what) {
    parent.postMessage(what, location.origin);
  }

  async take({ title, runs, sent, forced }) {
    const made = await Promise.all(runs.map(async (each) => new Run(await unpack(each))));
    nameSegments(made[0], sent);
    this.forced = new Set(forced);
    document.querySelector("h1").textContent = title;
    if (this.page) this.page.take(made);
    else this.page = new Page(made, (step) => this.offer(step));
    this.tell({ shown: made.map((run) => run.steps.length) });
  }

  // The button below a segment that leaves; losses by chance stay.
  offer(step) {
    const { name } = step;
    if (!name) return "";
    const forced = this.forced.has(name);
    if (step.lost && !forced) return "";
    const what = forced ? "let this one through" : "lose this one";
    return html("button", { class: "offer", title: `${what} (x)`, onclick: () => this.tell({ [forced ? "spare" : "lose"]: name }) }, `${what}: ${name}`);
  }
}

// Give the segments of each side their names.  Where something in the middle was left out, those
// behind it are counted from the end.
function nameSegments(run, sent) {
  sent.forEach((names, side) => {
    const leaving = run.steps.filter((step) => step.kind === "s" && step.side === side);
    const gap = run.steps.findIndex((step) => step.kind === "gap");
    leaving.forEach((step, at) => {
      step.name = gap < 0 || step.n < gap ? names[at] : names[names.length - leaving.length + at];
    });
  });
}
