// The worker in which Python runs: one job at a time, the newest that waits, and an end for those
// that do not come to one.

const PATIENCE = { play: 20_000, check: 240_000 }; // milliseconds

export class Stopped extends Error {}

export class Engine {
  // `onState`: called with "loading" and the share that is there, "ready", or "busy" and the doing.
  constructor(onState) {
    this.onState = onState;
    this.running = null;
    this.waiting = null;
    this.start();
  }

  start() {
    this.isReady = false;
    this.worker = new Worker("runner.js", { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.hear(data));
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.fail(event.message || "The worker in which Python runs could not be started.");
    });
    this.onState("loading", 0);
  }

  // Run a job, { play: setting }, { check: lab, program } or { log: true }; a job that waits gives
  // way to a later one, and its promise stays open.
  run(job) {
    return new Promise((resolve, reject) => {
      this.waiting = { job, resolve, reject };
      this.next();
    });
  }

  next() {
    if (this.running || !this.isReady) return;
    if (!this.waiting) return this.onState("ready");
    this.running = this.waiting;
    this.waiting = null;
    this.onState("busy", this.running.job.check ? "Checking" : "Running");
    const patience = this.running.job.check ? PATIENCE.check : PATIENCE.play;
    this.alarm = setTimeout(() => this.stop(`It was stopped after ${patience / 1000} s: does the program go round in circles?`), patience);
    this.worker.postMessage(this.running.job);
  }

  hear(message) {
    if (message.loaded !== undefined) return this.onState("loading", message.loaded);
    if (message.doing !== undefined) return this.onState("busy", message.doing);
    if (message.failed !== undefined) return this.fail(message.failed);
    if (message.ready) {
      this.isReady = true;
      return this.next();
    }
    const { running } = this;
    clearTimeout(this.alarm);
    this.running = null;
    if (message.problem !== undefined) running.reject(new Error(message.problem));
    else running.resolve(message.answer);
    this.next();
  }

  // End what runs, and begin with a new worker.
  stop(why = "It was stopped.") {
    const { running } = this;
    if (!running) return;
    clearTimeout(this.alarm);
    this.worker.terminate();
    this.running = null;
    this.start();
    running.reject(new Stopped(why));
  }

  // Python has not come up.
  fail(why) {
    clearTimeout(this.alarm);
    this.worker.terminate();
    for (const each of [this.running, this.waiting]) each?.reject(new Error(why));
    this.running = this.waiting = null;
    this.isReady = false;
    this.onState("failed", why);
  }
}
