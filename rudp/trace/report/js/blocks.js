// Both control blocks, side by side, and what the step has changed in them.

const time = (value) => seconds(value);
const plain = (value) => String(value);
const ranges = (value) => value.map(([left, right]) => `${left}–${right - 1}`).join(" ") || "none";
const rate = (value) => `${octets(value)}/s`;

const FIELDS = [
  ["state", "state", stateName],
  ["SND.UNA", "snd_una", plain, "half"],
  ["SND.NXT", "snd_nxt", plain],
  ["SND.WND", "snd_wnd", plain],
  ["ISS", "iss", plain],
  ["unsent", "unsent", plain],
  ["sacked", "sacked", ranges],
  ["lost", "lost", ranges],
  ["RCV.NXT", "rcv_nxt", plain, "half"],
  ["RCV.WND", "rcv_wnd", plain],
  ["IRS", "irs", plain],
  ["unread", "unread", plain],
  ["held", "held", ranges],
  ["cwnd", "cwnd", plain, "half"],
  ["ssthresh", "ssthresh", plain],
  ["in flight", "in_flight", plain],
  ["MSS", "mss", plain],
  ["pacing", "pacing_rate", rate],
  ["recovery", "recovery", plain],
  ["SRTT", "srtt", time, "half"],
  ["RTTVAR", "rttvar", time],
  ["min RTT", "min_rtt", time],
  ["RTO", "rto", time],
  ["backoffs", "backoffs", plain],
];

function showBlocks(node, run, n) {
  const step = run.steps[n];
  const before = run.steps[n - 1];
  if (!step.blocks[0] && !step.blocks[1]) {
    const states = [0, 1].map((side) => (step.states[side] === null ? "" : `${run.nameOf(side)}: ${stateName(step.states[side])}. `));
    node.replaceChildren(html("p", {}, `${states.join("")}There is no snapshot among the events up to here.`));
    return;
  }
  const read = (moment, side, field) => {
    if (!moment) return undefined;
    return field === "state" ? moment.states[side] : moment.blocks[side]?.[field];
  };
  const cell = (field, write, side) => {
    const value = read(step, side, field);
    if (value === undefined || value === null) return html("td", {}, field === "ssthresh" && value === null ? "high" : "–");
    const text = write(value);
    const old = read(before, side, field);
    const was = old === undefined || old === null ? "–" : write(old);
    const changed = was !== text && (step.blocks[side] !== before?.blocks[side] || field === "state");
    return html("td", { class: changed ? "changed" : undefined }, text, changed ? html("small", {}, ` was ${was}`) : "");
  };
  node.replaceChildren(html("table", { class: "blocks" },
    html("thead", {}, html("tr", {}, html("th", {}), html("th", {}, run.nameOf(0)), html("th", {}, run.nameOf(1)))),
    html("tbody", {}, FIELDS.map(([name, field, write, kind]) =>
      html("tr", { class: kind }, html("th", { scope: "row" }, name), cell(field, write, 0), cell(field, write, 1))))));
}
