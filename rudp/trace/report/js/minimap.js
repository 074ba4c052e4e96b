// The whole of a run beside the ladder, from top to bottom: at the left what one side sends, at the
// right the other; bars across are losses.  A frame shows which part the ladder has in view.

const MAP_WIDTH = 26;

class Minimap {
  constructor(run, layout, onPlace) {
    this.run = run;
    this.layout = layout;
    this.node = html("canvas", { class: "map", role: "img", "aria-label": "The whole run; a frame is around what the ladder shows" });
    const place = (event) => event.buttons && onPlace(event.offsetY / this.node.clientHeight);
    this.node.addEventListener("pointerdown", (event) => {
      this.node.setPointerCapture(event.pointerId);
      place(event);
    });
    this.node.addEventListener("pointermove", place);
  }

  // What does not depend on the step, for this height and these colours.
  paint(height, ratio, ink) {
    const canvas = html("canvas", { width: MAP_WIDTH * ratio, height: height * ratio });
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    const y = (step) => (step.y / this.layout.height) * height;
    this.layout.departures.forEach((steps, side) => {
      for (const kind of ["ack", "data", "again"]) {
        const rows = new Uint32Array(Math.ceil(height) + 1);
        for (const step of steps) if ((step.again ? "again" : step.segment.length ? "data" : "ack") === kind) rows[Math.floor(y(step))] += 1;
        ctx.fillStyle = ink[kind];
        // However many there are in a row, it has at most half of the width.
        rows.forEach((count, row) => count && ctx.fillRect(side ? MAP_WIDTH / 2 + 1 : 1, row, (MAP_WIDTH / 2 - 2) * (1 - 0.75 ** count), 1.2));
      }
    });
    ctx.fillStyle = ink.again;
    for (const step of this.run.steps) if (step.kind === "x") ctx.fillRect(0, y(step) - 0.7, MAP_WIDTH, 1.6);
    return canvas;
  }

  draw(scroll, zoom, now, hidesFuture) {
    const height = scroll.clientHeight;
    const ratio = devicePixelRatio;
    const ink = Object.fromEntries(["ack", "data", "again", "ink", "paper"].map((each) => [each, colour(each)]));
    const key = [height, ratio, ...Object.values(ink)].join();
    if (this.key !== key) {
      this.key = key;
      [this.node.width, this.node.height] = [MAP_WIDTH * ratio, height * ratio];
      this.node.style.width = `${MAP_WIDTH}px`;
      this.node.style.height = `${height}px`;
      this.whole = this.paint(height, ratio, ink);
    }
    const ctx = this.node.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, MAP_WIDTH, height);
    const scale = height / this.layout.height;
    const here = now.y * scale;
    const shown = hidesFuture ? Math.max(here, 1) : height;
    ctx.drawImage(this.whole, 0, 0, MAP_WIDTH * ratio, shown * ratio, 0, 0, MAP_WIDTH, shown);
    ctx.fillStyle = ctx.strokeStyle = ink.ink;
    const framed = Math.max((height * scale) / zoom, 6);
    ctx.strokeRect(0.5, Math.min((scroll.scrollTop * scale) / zoom, height - framed) + 0.5, MAP_WIDTH - 1, framed - 1);
    ctx.fillRect(0, here - 1, MAP_WIDTH, 2);
  }
}
