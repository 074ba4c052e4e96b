// The page: what is chosen on the left is run, and the report on the right shows it.

import { showPlayed, showProblem, showVerdict } from "./answer.js";
import { Engine, Stopped } from "./engine.js";
import { NUMBERS, SLIDERS, SWITCHES, Settings, nearest } from "./setting.js";

const WAIT = 120; // milliseconds that a slider rests before the run is made anew

const byId = (id) => document.getElementById(id);

class Playground {
  constructor(choices) {
    this.settings = new Settings(choices);
    this.setting = null;
    this.trusted = true; // whether the program is the user's own or the site's
    this.frame = new Promise((resolve) => (this.resolveFrame = resolve));
    this.sliders = {};
    this.build(choices);
    this.listen();
    this.engine = new Engine((state, what) => this.showState(state, what));
    this.open();
  }

  // -- what is on the page --------------------------------------------------------------------------

  build({ scenarios, labs, congestion }) {
    const group = (label, entries, prefix) => {
      const node = document.createElement("optgroup");
      node.label = label;
      node.append(...entries.map(({ name, title }) => new Option(title, `${prefix}${name}`)));
      return node;
    };
    byId("choice").append(group("Scenarios", scenarios, "scenario="), group("Labs: write a part of TCP yourself", labs.map((each) => ({ ...each, title: `${each.name}: ${each.title}` })), "lab="));
    byId("congestion").append(...congestion.map((each) => new Option(each, each)));
    for (const [name, { label, stops }] of Object.entries(SLIDERS)) {
      const input = Object.assign(document.createElement("input"), { type: "range", id: name, min: 0, max: stops.length - 1 });
      const output = Object.assign(document.createElement("output"), { htmlFor: name });
      this.sliders[name] = { input, output };
      (name === "buffer" ? byId("tcp").querySelector("legend") : byId("path").lastElementChild).after(this.knob(name, label, input, output));
      input.addEventListener("input", () => this.change(name, stops[+input.value]));
    }
    const seed = Object.assign(document.createElement("input"), { type: "number", id: "seed", min: 0, max: 1_000_000 });
    this.seed = seed;
    byId("path").append(this.knob("seed", "seed of chance", seed, Object.assign(document.createElement("output"), { htmlFor: "seed" })));
    seed.addEventListener("input", () => seed.validity.valid && seed.value !== "" && this.change("seed", +seed.value));
    for (const name of SWITCHES) byId(name).addEventListener("change", ({ target }) => this.change(name, target.checked));
    byId("congestion").addEventListener("change", ({ target }) => this.change("congestion", target.value));
  }

  knob(name, text, ...parts) {
    const row = Object.assign(document.createElement("div"), { className: "knob" });
    row.append(Object.assign(document.createElement("label"), { htmlFor: name, textContent: text }), ...parts);
    return row;
  }

  // Show the setting on the left.
  show() {
    const { setting, settings } = this;
    const { lab } = setting;
    byId("choice").value = lab ? `lab=${lab}` : `scenario=${setting.scenario}`;
    byId("knobs").hidden = byId("save").hidden = !!lab;
    const entry = lab ? settings.labs.get(lab) : settings.scenarios.get(setting.scenario);
    const isRace = entry.kind === "race";
    byId("look").textContent = lab ? `Fill in ${entry.called}; its text says what is asked for. The check puts questions to it, and lets it work in connections over bad paths. (${entry.section})` : entry.look;
    byId("code-name").textContent = lab ? `Lab: ${entry.called}` : isRace ? "Your controller" : "The two programs";
    byId("code-hint").textContent = lab ? "" : isRace ? "A class that derives from rudp.Controller." : "asyncio, as in any program: client and server each get a reader and a writer.";
    byId("run").textContent = lab ? "Check" : "Run";
    if (lab || isRace || setting.program !== null) byId("code").open = true;
    if (byId("program").value !== settings.text(setting)) byId("program").value = settings.text(setting);
    byId("original").disabled = setting.program === null;
    byId("stranger").hidden = this.trusted;
    if (!lab) this.showKnobs(isRace);
  }

  showKnobs(isRace) {
    const { setting } = this;
    for (const [name, { stops, say }] of Object.entries(SLIDERS)) {
      const { input, output } = this.sliders[name];
      input.value = nearest(stops, setting[name]);
      output.textContent = say(setting[name]);
      input.setAttribute("aria-valuetext", output.textContent);
    }
    if (document.activeElement !== this.seed) this.seed.value = setting.seed;
    for (const name of SWITCHES) byId(name).checked = setting[name];
    byId("congestion").value = setting.congestion === "reno" ? "newreno" : setting.congestion;
    byId("congestion").disabled = isRace; // each flow has its own
    byId("faults").replaceChildren(...this.faults().map((fault) => {
      const item = document.createElement("li");
      const button = Object.assign(document.createElement("button"), { textContent: `${fault} ✕`, title: `Take back: ${fault}` });
      button.setAttribute("aria-label", `Take back: ${fault}`);
      button.addEventListener("click", () => this.change("faults", this.faults().filter((each) => each !== fault).join("; ")));
      item.append(button);
      return item;
    }));
  }

  showState(state, what) {
    const says = { loading: "Python is on its way; you can choose meanwhile", ready: "Ready", busy: `${what} …`, failed: what };
    byId("status").classList.toggle("idle", state === "ready" || state === "failed");
    byId("status").dataset.state = state;
    if (state === "loading") byId("progress").value = what;
    else byId("progress").removeAttribute("value");
    byId("doing").textContent = says[state];
    byId("stop").hidden = state !== "busy";
  }

  // -- what the user does ---------------------------------------------------------------------------

  faults() {
    return (this.setting.faults ?? "").split(/[;\n]/).map((each) => each.trim()).filter(Boolean);
  }

  change(name, value) {
    this.setting = { ...this.setting, [name]: value };
    this.show();
    this.keep();
    if (!this.setting.lab) this.later();
  }

  choose(entry) {
    const [kind, name] = entry.split("=");
    this.trusted = true;
    this.setting = this.settings.begin({ [kind]: name });
    byId("code").open = false;
    this.keep();
    this.start();
  }

  keep() {
    history.replaceState(null, "", this.settings.toHash(this.setting));
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.play(), WAIT);
  }

  // Take the program as it stands, which somebody has looked at now, and run it.
  takeProgram() {
    const text = byId("program").value;
    const own = this.settings.text({ ...this.setting, program: null });
    this.trusted = true;
    this.setting = { ...this.setting, program: text === own ? null : text };
    this.show();
    this.keep();
    if (this.setting.lab) this.check();
    else this.play();
  }

  // -- running --------------------------------------------------------------------------------------

  // Open what the address asks for.
  open() {
    try {
      this.setting = this.settings.fromHash(location.hash);
    } catch (error) {
      this.setting = this.settings.begin({ scenario: this.settings.choices.defaults.scenario });
      this.show();
      showProblem(byId("answer"), `The link is wrong: ${error.message}`);
      return this.play({ keepsAnswer: true });
    }
    this.trusted = this.setting.program === null;
    this.start();
  }

  start() {
    this.show();
    byId("answer").replaceChildren();
    if (this.setting.lab || !this.trusted) return this.showReport(false); // what it shows is of another setting
    const { settings, setting } = this;
    // How a scenario begins is known before Python has come.
    if (settings.toHash(setting) === settings.toHash(settings.begin(setting))) this.showBeginning();
    this.play();
  }

  async showBeginning() {
    const { setting } = this;
    const { name } = this.settings.scenarios.get(setting.scenario);
    const response = await fetch(`begin-${name}.json`);
    if (response.ok && this.setting === setting && !this.engine.isReady) this.showRun(await response.json(), setting);
  }

  async play({ keepsAnswer = false } = {}) {
    if (!this.trusted) return this.show();
    const { setting } = this;
    try {
      const answer = JSON.parse(await this.engine.run({ play: JSON.stringify(setting) }));
      if (setting.scenario !== this.setting.scenario || this.setting.lab) return;
      if (keepsAnswer) this.post(answer, setting);
      else this.showRun(answer, setting);
      keepOffline();
    } catch (error) {
      showProblem(byId("answer"), error.message);
      if (!(error instanceof Stopped)) console.info(error.message);
    }
  }

  async check() {
    const { setting } = this;
    byId("answer").replaceChildren();
    this.showReport(false);
    try {
      const { verdict, runs } = JSON.parse(await this.engine.run({ check: setting.lab, program: this.settings.text(setting) }));
      if (setting.lab !== this.setting.lab) return;
      showVerdict(byId("answer"), verdict);
      if (runs.length) this.post({ title: `Lab ${setting.lab}: ${verdict.faults || "no faults"}`, runs, sent: [] }, setting);
      keepOffline();
    } catch (error) {
      showProblem(byId("answer"), error.message);
    }
  }

  showRun(answer, setting) {
    showPlayed(byId("answer"), answer);
    this.post(answer, setting);
  }

  showReport(isShown) {
    byId("report").style.visibility = isShown ? "" : "hidden";
  }

  // Hand a run to the report.
  async post({ title, runs, sent }, setting) {
    if (!runs.length) return;
    const frame = await this.frame;
    this.showReport(true);
    const forced = (setting.faults ?? "").split(/[;\n]/).map((each) => each.trim().replace(/ lost$/, ""));
    frame.postMessage({ title, runs, sent, forced }, location.origin);
  }

  // -- events ---------------------------------------------------------------------------------------

  hear(data) {
    if (data.ready) this.resolveFrame(byId("report").contentWindow);
    if (data.lose && !this.setting.lab) this.change("faults", [...this.faults(), `${data.lose} lost`].join("; "));
    if (data.spare && !this.setting.lab) this.change("faults", this.faults().filter((each) => each !== `${data.spare} lost`).join("; "));
    if (data.shown) document.body.dataset.shown = +(document.body.dataset.shown ?? 0) + 1;
  }

  listen() {
    window.addEventListener("message", ({ data, origin, source }) => {
      if (origin === location.origin && source === byId("report").contentWindow) this.hear(data);
    });
    byId("report").src = "report.html"; // it says at once that it is ready, so not before somebody listens
    window.addEventListener("hashchange", () => this.open());
    byId("choice").addEventListener("change", ({ target }) => this.choose(target.value));
    byId("run").addEventListener("click", () => this.takeProgram());
    byId("stop").addEventListener("click", () => this.engine.stop());
    byId("original").addEventListener("click", () => this.change("program", null));
    byId("reset").addEventListener("click", () => this.choose(byId("choice").value));
    byId("link").addEventListener("click", () => this.copyLink());
    byId("save").addEventListener("click", () => this.save());
    byId("program").addEventListener("input", () => (byId("original").disabled = false));
    for (const side of ["left", "right"]) byId(`to-${side}`).addEventListener("click", () => byId(side).scrollIntoView());
    this.listenToKeys(byId("program"));
  }

  listenToKeys(program) {
    let leaves = false;
    program.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.takeProgram();
      } else if (event.key === "Tab" && !event.shiftKey && !leaves) {
        event.preventDefault();
        const at = program.selectionStart;
        const column = at - program.value.lastIndexOf("\n", at - 1) - 1;
        program.setRangeText(" ".repeat(4 - (column % 4)), at, program.selectionEnd, "end");
        byId("original").disabled = false;
      }
      leaves = event.key === "Escape";
    });
  }

  async copyLink() {
    this.keep();
    try {
      await navigator.clipboard.writeText(location.href);
      byId("link").textContent = "Copied";
    } catch {
      byId("link").textContent = "It is in the address bar";
    }
    setTimeout(() => (byId("link").textContent = "Copy link"), 2000);
  }

  async save() {
    const text = await this.engine.run({ log: true });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
    link.download = "events.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

// Keep the site for times without a network, once it has shown that it works.
let kept = false;
function keepOffline() {
  if (kept || !("serviceWorker" in navigator)) return;
  kept = true;
  navigator.serviceWorker.register("offline.js").catch(() => {}); // a private window may not
}

async function start() {
  const response = await fetch("choices.json");
  window.playground = new Playground(await response.json());
}

start().catch((error) => showProblem(byId("answer"), `The page could not be set up: ${error.message}`));
