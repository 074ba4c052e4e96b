// The sequence space of each side: what is acknowledged, sacked, in flight, lost, and the windows.

const BAR_MAX = 640; // pixels
const BAR_LEFT = 4;

const KEY = [
  ["acked", "acknowledged, received"],
  ["flying", "in flight"],
  ["sacked", "sacked, held"],
  ["lost", "called lost"],
  ["waiting", "unread"],
  ["room", "window"],
];

function piece(kind, x, y, width, height = 16) {
  const parts = [svg("rect", { class: kind, x, y, width: Math.max(width, 1), height })];
  if (kind === "lost" || kind === "waiting") {
    const lean = kind === "lost" ? 6 : 0;
    for (let at = x + 3; at < x + width; at += 7) parts.push(line(at, y, Math.min(at + lean, x + width), y + height, "hatch"));
  }
  if (kind === "sacked") parts.push(line(x, y + height / 2, x + width, y + height / 2, "hatch"));
  return parts;
}

// One bar, `width` pixels wide: `pieces` are [kind, left, right]; `window` is [left, right].
function bar(width, y, title, low, high, pieces, [left, right], names) {
  const scale = (width - 2 * BAR_LEFT) / Math.max(high - low, 1);
  const x = (number) => BAR_LEFT + (Math.min(Math.max(number, low), high) - low) * scale;
  const parts = [label(BAR_LEFT, y - 4, title, "state")];
  parts.push(...piece("room", BAR_LEFT, y, width - 2 * BAR_LEFT));
  for (const [kind, from, to] of pieces) {
    if (to > low && from < high && to > from) parts.push(...piece(kind, x(from), y, x(to) - x(from)));
  }
  const open = right > high;
  const end = open ? "" : `v-7`;
  parts.push(svg("path", { class: "bracket", d: `M${x(left)} ${y + 20}v7H${x(right)}${end}` }));
  parts.push(label(x(left), y + 39, `${names[0]} ${left}`, "dim"));
  const text = open ? `${names[1]} ${right} →` : `${names[1]} ${right}`;
  parts.push(label(width - BAR_LEFT, y + 39, text, "dim", "end"));
  return parts;
}

function sending(width, block, y, name) {
  const { snd_una: una, snd_nxt: nxt, snd_wnd: wnd } = block;
  const span = Math.max(nxt - una, Math.min(wnd, block.cwnd), 4 * block.mss);
  const low = Math.max(0, una - span * 0.2);
  const high = Math.max(una, low) + span * 1.15;
  const pieces = [["acked", 0, una], ["flying", una, nxt]];
  for (const [left, right] of block.sacked) pieces.push(["sacked", left, right]);
  for (const [left, right] of block.lost) pieces.push(["lost", left, right]);
  return bar(width, y, `${name} sends`, low, high, pieces, [una, una + wnd], ["SND.UNA", "SND.UNA+SND.WND"]);
}

function receiving(width, block, y, name) {
  const { rcv_nxt: nxt, rcv_wnd: wnd } = block;
  const furthest = Math.max(nxt, ...block.held.map((each) => each[1]));
  const span = Math.max(furthest - nxt, Math.min(wnd, 12 * block.mss), block.unread, 4 * block.mss);
  const low = Math.max(0, nxt - span * 0.3);
  const high = Math.max(nxt, low) + span * 1.15;
  const pieces = [["acked", 0, nxt], ["waiting", nxt - block.unread, nxt]];
  for (const [left, right] of block.held) pieces.push(["sacked", left, right]);
  return bar(width, y, `${name} receives`, low, high, pieces, [nxt, nxt + wnd], ["RCV.NXT", "RCV.NXT+RCV.WND"]);
}

// `room`: the pixels that there are for it.
function showSpace(node, run, n, room) {
  const parts = [];
  const width = Math.min(Math.max(room, BAR_MAX / 2), BAR_MAX);
  let y = 18;
  for (const side of [0, 1]) {
    const block = run.steps[n].blocks[side];
    if (!block) continue;
    parts.push(...sending(width, block, y, run.nameOf(side)));
    y += 64;
    if (block.irs !== null) {
      parts.push(...receiving(width, block, y, run.nameOf(side)));
      y += 64;
    }
  }
  if (!parts.length) {
    node.replaceChildren(html("p", {}, "There is no snapshot among the events up to here."));
    return;
  }
  const key = KEY.map(([kind, text]) => html("li", {}, svg("svg", { viewBox: "0 0 14 11", "aria-hidden": "true" }, piece(kind, 0.5, 0.5, 13, 10)), text));
  node.replaceChildren(
    svg("svg", { viewBox: `0 0 ${width} ${y - 14}`, role: "img", "aria-label": "sequence space" }, parts),
    html("ul", {}, key));
}
