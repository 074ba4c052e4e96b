// Numbers and headers as people read them.

function seconds(count) {
  const size = Math.abs(count);
  if (size >= 60) return `${+(count / 60).toPrecision(3)} min`;
  return size >= 1 ? `${+count.toPrecision(4)} s` : `${+(count * 1000).toPrecision(4)} ms`;
}

const clock = (time) => (time < 1 ? `${(time * 1000).toFixed(1)} ms` : `${time.toFixed(3)} s`);

function octets(count) {
  const units = ["B", "KiB", "MiB", "GiB"];
  while (count >= 1024 && units.length > 1) {
    count /= 1024;
    units.shift();
  }
  return `${units[0] === "B" ? Math.round(count) : count.toFixed(1)} ${units[0]}`;
}

// The same for an axis, whose marks are at round decimal numbers.
function decimal(count) {
  if (count >= 1e6) return `${+(count / 1e6).toPrecision(4)} MB`;
  return count >= 1e3 ? `${+(count / 1e3).toPrecision(4)} kB` : `${count} B`;
}

function header(segment) {
  const parts = [segment.flags || "none", `seq=${segment.seq}`];
  if (segment.ack !== null) parts.push(`ack=${segment.ack}`);
  if (segment.length) parts.push(`len=${segment.length}`);
  parts.push(`win=${segment.window}`);
  if (segment.mss !== undefined) parts.push(`mss=${segment.mss}`);
  if (segment.sack?.length) parts.push(`sack=${segment.sack[0][0]}-${segment.sack[0][1]}`);
  return parts.join(" ");
}
