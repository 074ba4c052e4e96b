// The figures of a run; of two runs side by side, and where they first differ.

const number = (value, unit) => (unit === "s" ? seconds(value) : unit === "B" ? octets(value) : String(value));

function firstDifference(one, other) {
  const length = Math.min(one.steps.length, other.steps.length);
  for (let n = 0; n < length; n++) {
    if (one.steps[n].told.text !== other.steps[n].told.text) return n;
  }
  return one.steps.length === other.steps.length ? null : length;
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
    const n = firstDifference(one, other);
    const tell = (run) => (run.steps[n] ? `“${run.steps[n].told.text}” at ${clock(run.steps[n].time)}` : "nothing more");
    parts.push(html("p", { id: "difference" }, n === null ? "Step by step the two are the same." : `They first differ at step ${n + 1}: ${one.name}: ${tell(one)}; ${other.name}: ${tell(other)}.`));
  }
  node.replaceChildren(...parts);
}
