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

const header = (segment) => inWords(segment)();

// What writes a header in words, without those parts that are named.
function inWords({ flags, seq, ack, length, window: win, mss, sack }) {
  const parts = {
    flags: flags || "none", seq: `seq=${seq}`, ack: ack === null ? "" : `ack=${ack}`, len: length ? `len=${length}` : "",
    win: `win=${win}`, mss: mss === undefined ? "" : `mss=${mss}`, sack: sack?.length ? `sack=${sack[0][0]}-${sack[0][1]}` : "",
  };
  return (...without) => Object.keys(parts).filter((each) => parts[each] && !without.includes(each)).map((each) => parts[each]).join(" ");
}

// A header in words, first in full, then with less and less; that a window is shut is always told.
function forms(segment) {
  const { flags, ack, length, window: win } = segment;
  const write = inWords(segment);
  const window = win ? ["win"] : [];
  const less = [...window, "mss", length ? "ack" : space(segment) || ack === null ? "" : "seq"];
  const least = [...less, length && ["ACK", "PSH,ACK"].includes(flags) ? "flags" : "sack"];
  return [write(), write(...window), write(...less), write(...least), write(...least, "len")];
}
