// What came of a run, in words.  What a program prints goes in as text, never as markup.

function make(name, text, kind = "") {
  const node = document.createElement(name);
  if (kind) node.className = kind;
  node.textContent = text;
  return node;
}

function table(rows) {
  const node = document.createElement("table");
  for (const [head, ...cells] of rows) {
    const row = node.insertRow();
    const title = make("th", head);
    title.scope = "row";
    row.append(title, ...cells.map((each) => make("td", each)));
  }
  return node;
}

export function showProblem(node, text) {
  node.replaceChildren(make("p", text, "problem"));
}

export function showPlayed(node, { problem, output, flows }) {
  const parts = [];
  if (problem) parts.push(make("p", problem, "problem"));
  if (flows.length) parts.push(table(flows.map(({ name, octets, share }) => [name, `${Math.round(octets / 1000)} kB`, `${(share * 100).toFixed(1)} %`])));
  if (output) parts.push(make("pre", output));
  node.replaceChildren(...parts);
}

const GROUPS = ["questions", "hidden questions", "connections", "hidden connections"];

export function showVerdict(node, verdict) {
  const parts = [];
  const done = verdict.grade === 100 && !verdict.problem;
  if (done) parts.push(make("p", "All of it is right.", "good"));
  const groups = GROUPS.filter((each) => verdict[each]);
  if (groups.length) parts.push(table([...groups.map((each) => [each, `${verdict[each][0]} of ${verdict[each][1]}`]), ["grade", verdict.grade]]));
  if (verdict.problem) parts.push(make("p", verdict.problem, "problem"));
  if (verdict.faults !== null && verdict.faults !== undefined) {
    const which = verdict.smallest ? "The smallest faults" : "Faults, perhaps not the fewest,";
    parts.push(make("p", `${which} with which a connection breaks: ${verdict.faults || "none are needed"}`));
  }
  if (verdict.where) parts.push(make("pre", verdict.where));
  node.replaceChildren(...parts);
}
