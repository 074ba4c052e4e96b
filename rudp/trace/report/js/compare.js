// The figures of a run; of two runs side by side, and where they first differ.

const number = (value, unit) => (unit === "s" ? seconds(value) : unit === "B" ? octets(value) : String(value));

const withLoss = (step) => `${step.told.text}${step.lost ? ", which the link loses" : ""}`;

// What each side does is compared by itself, for two that act at the same time have no order; and
// that a segment is lost belongs to its sending.  Both steps, one of them undefined where a run has
// ended; null if there is no difference.
function firstDifference(one, other) {
  const found = [];
  for (const side of [0, 1]) {
    const [mine, theirs] = [one, other].map((run) => run.steps.filter((step) => step.side === side && step.kind !== "x"));
    let n = 0;
    while (mine[n] && theirs[n] && withLoss(mine[n]) === withLoss(theirs[n])) n++;
    if (mine[n] || theirs[n]) found.push([mine[n], theirs[n]]);
  }
  const begin = (pair) => Math.min(...pair.filter(Boolean).map((step) => step.time));
  return found.sort((a, b) => begin(a) - begin(b))[0] ?? null;
}

function showFigures(node, runs) {
  const [one, other] = runs;
  const find = (run, name) => run.figures.find((each) => each[0] === name);
  const names = [...new Set(runs.flatMap((run) => run.figures.map((each) => each[0])))];
  const rows = names.map((name) => {
    const values = runs.map((run) => find(run, name));
    const unit = values.find(Boolean)[2];
    const cells = values.map((each) => html("td", {}, each ? number(each[1], unit) : "–"));
    if (runs.length > 1 && values[0] && values[1]) {
      const more = values[1][1] - values[0][1];
      cells.push(html("td", {}, more ? `${more > 0 ? "+" : "−"}${number(Math.abs(more), unit)}` : "same"));
    }
    return html("tr", {}, html("td", {}, name), cells);
  });
  const head = runs.length > 1 ? [one.name, other.name, "difference"] : [""];
  const parts = [html("h2", {}, "Figures"), html("table", {}, html("tr", {}, html("th", {}), head.map((each) => html("th", {}, each))), rows)];
  if (runs.length > 1) {
    const steps = firstDifference(one, other);
    const tell = (run, step) => `${run.name}: ${step ? `“${withLoss(step)}”, step ${step.n + 1}, at ${clock(step.time)}` : "nothing more"}`;
    parts.push(html("p", { id: "difference" }, steps === null ? "Step by step the two are the same." : `They first differ here: ${tell(one, steps[0])}; ${tell(other, steps[1])}.`));
  }
  node.replaceChildren(...parts);
}
