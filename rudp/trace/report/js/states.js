// The state diagram (RFC 9293 figure 5), drawn from the table of moves, and the path walked in it.
// CLOSED stands in it twice, as in the RFC: where connections begin and where they end.

const BOX = [118, 26];
const PLACES = {
  "CLOSED": [330, 20], "LISTEN": [160, 84], "SYN-SENT": [500, 84], "SYN-RECEIVED": [160, 168],
  "ESTABLISHED": [330, 232], "FIN-WAIT-1": [160, 300], "CLOSE-WAIT": [500, 300], "FIN-WAIT-2": [160, 384],
  "CLOSING": [330, 342], "LAST-ACK": [500, 384], "TIME-WAIT": [296, 446], "end": [500, 446],
};

const placeOf = (state, isEnd) => (isEnd && stateName(state) === "CLOSED" ? "end" : stateName(state));

// Where a line from the middle of a box to (x, y) leaves the box.
function border([cx, cy], [x, y]) {
  const [dx, dy] = [x - cx, y - cy];
  const share = Math.min(BOX[0] / 2 / Math.abs(dx || 1e-9), BOX[1] / 2 / Math.abs(dy || 1e-9));
  return [cx + dx * share, cy + dy * share];
}

function edge(from, to, cause, kind) {
  const [x1, y1] = border(PLACES[from], PLACES[to]);
  const [x2, y2] = border(PLACES[to], PLACES[from]);
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  const head = `${x2},${y2} ${x2 - 8 * ux - 4 * uy},${y2 - 8 * uy + 4 * ux} ${x2 - 8 * ux + 4 * uy},${y2 - 8 * uy - 4 * ux}`;
  return svg("g", {}, svg("title", {}, `${from === "end" ? "CLOSED" : from}: ${cause}`),
    line(x1, y1, x2, y2, `edge ${kind}`), svg("polygon", { class: "edge-head", points: head }),
    label(x1 + (x2 - x1) * 0.4, y1 + (y2 - y1) * 0.4 - 3, cause, "label", "middle"));
}

function showStates(node, run, n) {
  const walked = [new Set(), new Set()];
  const visited = new Set();
  const paths = [[], []];
  for (const step of run.moving) {
    if (step.n > n) break;
    for (const { before, after, cause } of step.moves) {
      const isEnd = stateName(after) === "CLOSED";
      walked[step.side].add(`${stateName(before)}>${placeOf(after, isEnd)}`);
      visited.add(stateName(before)).add(placeOf(after, isEnd));
      const path = paths[step.side];
      if (!path.length) path.push(stateName(before));
      path.push(`${stateName(after)} (${cause})`);
    }
  }
  const parts = [];
  for (const [before, after, cause] of REFERENCE.moves) {
    const [from, to] = [stateName(before), placeOf(after, true)];
    const key = `${from}>${to}`;
    parts.push(edge(from, to, cause, ""));
    for (const side of [0, 1]) if (walked[side].has(key)) parts.push(edge(from, to, "", `walked${side}`));
  }
  const step = run.steps[n];
  const at = step.states.map((state, side) => (state === null ? null : placeOf(state, paths[side].length > 0)));
  for (const [place, [x, y]] of Object.entries(PLACES)) {
    const rect = (grow, kind) => svg("rect", {
      class: `box ${kind}`, x: x - BOX[0] / 2 - grow, y: y - BOX[1] / 2 - grow, rx: 5, width: BOX[0] + 2 * grow, height: BOX[1] + 2 * grow,
    });
    if (at[1] === place) parts.push(rect(4, "at1"));
    parts.push(rect(0, at[0] === place ? "at0" : visited.has(place) ? "walked" : ""));
    parts.push(label(x, y + 4, place === "end" ? "CLOSED" : place, "state", "middle"));
  }
  const told = [0, 1].filter((side) => paths[side].length).map((side) =>
    html("p", {}, html("b", {}, `${run.nameOf(side)} (${side ? "dashed" : "solid"}): `), paths[side].slice(-12).join(" → ")));
  node.replaceChildren(svg("svg", { viewBox: "90 2 480 464", role: "img", "aria-label": "state diagram" }, parts), ...told);
}
