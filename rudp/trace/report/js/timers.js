// The timers that run, as bars that empty until they expire.

function showTimers(node, run, n) {
  const step = run.steps[n];
  const parts = [];
  const add = (name, share, text, fired) => {
    const fill = html("i");
    fill.style.width = `${Math.max(0, Math.min(share, 1)) * 100}%`;
    parts.push(html("span", {}, name), html("div", { class: fired ? "bar fired" : "bar" }, fill), html("output", {}, text));
  };
  if (step.kind === "f") add(`${run.nameOf(step.side)}: ${step.timer}`, 1, "expires now", true);
  for (const side of [0, 1]) {
    const block = step.blocks[side];
    for (const [name, expires] of Object.entries(block?.timers ?? {})) {
      const left = expires - step.time;
      const all = expires - block.since[name];
      add(`${run.nameOf(side)}: ${name}`, all > 0 ? left / all : 0, `${seconds(Math.max(left, 0))} of ${seconds(all)}`);
    }
  }
  node.replaceChildren(...(parts.length ? parts : [html("span", {}, "No timer runs that is known of.")]));
}
