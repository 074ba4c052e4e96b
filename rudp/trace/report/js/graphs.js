// Five graphs with one cursor.  A line shows the step; of two runs the second is drawn dashed.

const GRAPHS = [
  { title: "Time and sequence", unit: octets, mark: decimal, marks: true, note: tellMarks, series: [
    ["SND.NXT", "nxt", "data"], ["SND.UNA", "una", "control"], ["peer's window ends", "window", "violet"]] },
  { title: "cwnd, ssthresh, in flight", unit: octets, mark: decimal, series: [
    ["cwnd", "cwnd", "data"], ["ssthresh", "ssthresh", "again"], ["in flight", "flight", "control"]] },
  { title: "Round trip and time-out", unit: seconds, mark: seconds, ratios: true, note: () => "Equal distances are equal ratios: a time-out that doubles goes up by one step.", series: [
    ["RTO", "rto", "again"], ["SRTT", "srtt", "data"], ["min RTT", "min_rtt", "control"]] },
  { title: "Windows", unit: octets, mark: decimal, windows: true, note: tellWindows, series: [
    ["SND.WND, as the sender knows it", "snd_wnd", "violet"], ["RCV.WND of the reader", "rcv_wnd", "data"], ["unread", "unread", "again"], ["held behind a hole", "held", "control"]] },
  { title: "Goodput", unit: (value) => `${octets(value)}/s`, mark: (value) => `${decimal(value)}/s`, goodput: true, note: tellGoodput, series: [
    ["arrived", 1, "data", 4], ["can be read, in order", 2, "again"]] },
];

// Round numbers from `low` to `high`: 1, 2, 5, 10 and so on.
function ratios(low, high) {
  const found = [];
  for (let ten = 10 ** Math.floor(Math.log10(low)); ten <= high; ten *= 10) found.push(...[1, 2, 5].map((each) => each * ten));
  return found.filter((each) => each >= low && each <= high);
}

function tellMarks({ marks, marks_all: all }) {
  const some = marks.length < all ? ` ${marks.length} of ${all} are drawn.` : "";
  return `Upright strokes: segments; thick ones were sent again, a cross was lost on the way.${some}`;
}

function tellWindows(data, peer) {
  return peer.columns.time.length ? "What the reader has not taken, and what waits behind a hole, takes room from the window." : "Of the reader's end there are no snapshots.";
}

function tellGoodput({ goodput, columns }) {
  const { slot, at_reader: atReader, filled: [fills, most, when] } = goodput;
  const parts = [atReader ? "Each octet counts once, when it arrives at the reader's end" : "Each octet counts once, when the sender hears of it", `, in slots of ${seconds(slot)}. `];
  if (fills) parts.push(`The second line comes in bursts: ${fills === 1 ? "once" : `${fills} times`} a hole was filled, and all that had waited behind it could be read at once, at most ${octets(most)} (at ${clock(when)}). `);
  const trip = columns.min_rtt.findLast((each) => each);
  if (trip && slot < trip / 2) parts.push("A slot is shorter than a round trip: what was sent together stands alone, and the gaps are waiting for acknowledgements.");
  return parts.join("");
}

const MARK_COLOURS = ["data", "again", "again"];

class Graphs {
  constructor(node, onTime) {
    this.node = node;
    this.onTime = onTime;
    this.plots = [];
    this.time = 0;
    this.hidesFuture = false;
    new ResizeObserver(() => this.resize()).observe(node);
  }

  // Draw the graphs of one side of `runs`, one run or two.
  build(runs, side) {
    for (const plot of this.plots) plot.destroy();
    this.plots = [];
    const [run] = runs;
    const about = html("p", {}, html("b", {}, `${run.nameOf(side)} sends. `),
      `The graphs show all of the run${run.graphs[side].end < run.steps.at(-1).time ? ` up to ${seconds(run.graphs[side].end)}` : ""}. `,
      runs.length > 1 ? `Dashed: ${runs[1].name}.` : "");
    this.node.replaceChildren(about);
    for (const graph of GRAPHS) {
      const frame = html("div", { class: "graph" }, html("h3", {}, graph.title));
      this.node.append(frame);
      const tables = runs.map((each) => this.table(graph, each.graphs[side], each.graphs[1 - side]));
      if (!tables[0][0].length) {
        frame.append(html("p", {}, "There are no snapshots to draw it from."));
        continue;
      }
      this.plots.push(this.plot(frame, graph, runs, tables, side));
      if (graph.note) frame.append(html("p", {}, graph.note(run.graphs[side], run.graphs[1 - side])));
    }
  }

  // The columns of a graph, the times first.
  table(graph, data, peer) {
    const { columns } = data;
    if (graph.goodput) return [0, 1, 2].map((column) => data.goodput.rates.map((each) => each[column]));
    if (graph.marks && !columns.time.length) return [data.marks.map((each) => each[0]), ...graph.series.map(() => data.marks.map(() => null))];
    if (graph.windows) {
      const [own, ...others] = graph.series.map(([, column]) => column);
      const tables = [[columns.time, columns[own]], [peer.columns.time, ...others.map((each) => peer.columns[each])]];
      return uPlot.join(tables.filter((each) => each[0].length).length === 2 ? tables : [[columns.time, columns[own], ...others.map(() => columns.time.map(() => null))]]);
    }
    const shown = graph.ratios ? (each) => each || null : (each) => each;
    return [columns.time, ...graph.series.map(([, column]) => columns[column].map(shown))];
  }

  plot(frame, graph, runs, tables, side) {
    const ink = colour("ink");
    const grid = { stroke: colour("line"), width: 0.5 };
    const axis = { stroke: ink, grid, ticks: grid, font: "11px system-ui" };
    const stepped = uPlot.paths.stepped({ align: graph.goodput ? 0 : 1 });
    const series = tables.flatMap((_, which) => graph.series.map(([name, , shade, width = 1.8]) => ({
      label: runs.length > 1 ? `${name}, ${runs[which].name}` : name,
      stroke: colour(shade), width: which ? width / 1.5 : width, dash: which ? [6, 4] : undefined, points: { show: false },
      paths: stepped, value: (_, value) => (value === null || value === undefined ? "–" : graph.unit(value)),
    })));
    const highest = Math.max(...runs.map((each) => Math.max(1, ...each.graphs[side].columns.nxt, ...each.graphs[side].marks.map(([, from, size]) => from + size))));
    // One time scale for all, until somebody looks closer.
    const end = Math.max(...runs.map((each) => each.graphs[side].end));
    const isWhole = (plot, low, high) => low <= plot.data[0][0] && high >= plot.data[0].at(-1);
    const scales = { x: { time: false, range: (plot, low, high) => (isWhole(plot, low, high) ? [0, end] : [low, high]) } };
    if (graph.marks) scales.y = { range: () => [0, highest * 1.08] };
    else if (graph.ratios) scales.y = { distr: 3, range: (_, low, high) => [low / 1.5, high * 1.5] };
    else scales.y = { range: (_, low, high) => [0, (high || 1) * 1.08] };
    const marks = graph.marks ? runs.map((each) => each.graphs[side].marks.toSorted((one, other) => one[3] - other[3])) : [];
    const options = {
      width: Math.max(frame.clientWidth - 24, 200), height: 210, series: [{ label: "time", value: (_, value) => (value === null || value === undefined ? "–" : clock(value)) }, ...series], scales,
      cursor: { sync: { key: "rudp" }, y: false },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((each) => seconds(each)) },
        { ...axis, size: 74, values: (_, ticks) => ticks.map((each) => graph.mark(each)), ...(graph.ratios && { splits: (_, __, low, high) => ratios(low, high), filter: (_, ticks) => ticks }) }],
      hooks: { draw: [(plot) => this.overlay(plot, marks)], setScale: [(plot) => plot.here && this.place(plot)], setSize: [(plot) => plot.here && this.place(plot)] },
    };
    const plot = new uPlot(options, tables.length > 1 ? uPlot.join(tables) : tables[0], frame);
    plot.ctx.canvas.setAttribute("role", "img");
    plot.ctx.canvas.setAttribute("aria-label", `${graph.title}, ${runs[0].nameOf(side)} sends`);
    plot.here = html("div", { class: "step-line" });
    plot.cover = html("div", { class: "cover", hidden: true });
    plot.over.append(plot.cover, plot.here);
    plot.over.addEventListener("click", () => {
      if (plot.cursor.left >= 0) this.onTime(plot.posToVal(plot.cursor.left, "x"));
    });
    return plot;
  }

  // Over a graph: its segments.
  overlay(plot, marks) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.setLineDash([]);
    marks.forEach((each, which) => {
      const crowded = each.length > 300;
      for (const [at, from, size, fate] of each) {
        const x = plot.valToPos(at, "x", true);
        const [y1, y2] = [plot.valToPos(from, "y", true), plot.valToPos(from + size, "y", true)];
        ctx.strokeStyle = colour(MARK_COLOURS[fate]);
        ctx.lineWidth = (fate && !crowded ? 3 : 1.5) * devicePixelRatio;
        ctx.globalAlpha = which ? 0.5 : 1;
        ctx.beginPath();
        ctx.moveTo(x, y1);
        ctx.lineTo(x, Math.min(y2, y1 - 2));
        if (fate === 2) {
          const middle = (y1 + y2) / 2;
          const arm = (crowded ? 4 : 5) * devicePixelRatio;
          for (const turn of [1, -1]) {
            ctx.moveTo(x - arm, middle - arm * turn);
            ctx.lineTo(x + arm, middle + arm * turn);
          }
        }
        ctx.stroke();
      }
    });
    ctx.restore();
  }

  // Where the step is, and in a quiz a cover over what comes.
  place(plot) {
    const x = Math.min(Math.max(plot.valToPos(this.time, "x"), -2), plot.bbox.width / devicePixelRatio + 2);
    plot.here.style.left = `${x}px`;
    plot.cover.style.left = `${x}px`;
    plot.cover.hidden = !this.hidesFuture;
  }

  show(time, hidesFuture) {
    this.time = time;
    this.hidesFuture = hidesFuture;
    for (const plot of this.plots) this.place(plot);
  }

  resize() {
    for (const plot of this.plots) {
      const width = Math.max(plot.root.parentNode.clientWidth - 24, 200);
      if (width !== plot.width) plot.setSize({ width, height: 210 });
    }
  }
}
