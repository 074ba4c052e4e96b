// A setting, and how the address of the page holds it: what differs from the scenario's own.

export const NUMBERS = ["rtt", "loss", "rate", "queue", "buffer", "seed"];
export const SWITCHES = ["sack", "timestamps", "nagle"];

const NONE = "none";

const time = (value) => (value >= 1 ? `${+value.toFixed(2)} s` : `${+(value * 1000).toFixed(1)} ms`);
const decimal = (value, unit) => (value >= 1e6 ? `${+(value / 1e6).toFixed(2)} M${unit}` : value >= 1000 ? `${+(value / 1000).toFixed(1)} k${unit}` : `${value} ${unit}`);

// What the sliders can be set to, and how that is said.  Null is no limit.
export const SLIDERS = {
  rtt: { label: "round trip", stops: [0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1], say: time },
  loss: { label: "loss", stops: [0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5], say: (value) => `${+(value * 100).toFixed(2)} %` },
  rate: { label: "rate", stops: [1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, null], say: (value) => (value === null ? "no limit" : decimal(value, "bit/s")) },
  queue: { label: "queue", stops: [2000, 5000, 10_000, 15_000, 20_000, 50_000, 100_000, 200_000, null], say: (value) => (value === null ? "no limit" : decimal(value, "B")) },
  buffer: { label: "receive buffer", stops: [2000, 3000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, null], say: (value) => (value === null ? "automatic" : decimal(value, "B")) },
};

// The place of a slider that is nearest to a value.
export function nearest(stops, value) {
  if (value === null) return stops.indexOf(null);
  const away = stops.map((each) => (each === null ? Infinity : Math.abs(Math.log((each + 1e-4) / (value + 1e-4)))));
  return away.indexOf(Math.min(...away));
}

export class Settings {
  constructor(choices) {
    this.choices = choices;
    this.scenarios = new Map(choices.scenarios.map((each) => [each.name, each]));
    this.labs = new Map(choices.labs.map((each) => [each.name, each]));
  }

  // How a scenario begins, or a lab.
  begin({ scenario, lab }) {
    if (lab) return { lab, program: null };
    return { ...this.choices.defaults, ...this.scenarios.get(scenario).setting, scenario };
  }

  // The text that is run.
  text(setting) {
    return setting.program ?? (setting.lab ? this.labs.get(setting.lab) : this.scenarios.get(setting.scenario)).text;
  }

  toHash(setting) {
    const own = this.begin(setting);
    const fields = new URLSearchParams();
    fields.set(setting.lab ? "lab" : "scenario", setting.lab ?? setting.scenario);
    for (const [name, value] of Object.entries(setting)) {
      if (name === "scenario" || name === "lab" || value === own[name]) continue;
      fields.set(name, value === null ? NONE : value);
    }
    return `#${fields}`;
  }

  // What an address asks for; raises an Error whose message says what is wrong with it.
  fromHash(hash) {
    const fields = new URLSearchParams(hash.replace(/^#/, ""));
    const lab = fields.get("lab");
    const scenario = fields.get("scenario") ?? this.choices.defaults.scenario;
    if (lab !== null && !this.labs.has(lab)) throw new Error(`There is no lab ${lab}.`);
    if (!this.scenarios.has(scenario)) throw new Error(`There is no scenario ${scenario}.`);
    const setting = this.begin({ scenario, lab });
    for (const [name, text] of fields) {
      if (name === "scenario" || name === "lab") continue;
      if (!Object.hasOwn(setting, name)) throw new Error(`A setting has no ${name}.`);
      setting[name] = this.value(name, text);
    }
    return setting;
  }

  value(name, text) {
    if (NUMBERS.includes(name)) {
      if (text === NONE) return null;
      const value = Number(text);
      const [low, high] = this.choices.ranges[name];
      if (text === "" || !(value >= low && value <= high)) throw new Error(`${name} is a number from ${low} to ${high}, not ${text}.`);
      return value;
    }
    if (SWITCHES.includes(name)) {
      if (text !== "true" && text !== "false") throw new Error(`${name} is true or false, not ${text}.`);
      return text === "true";
    }
    if (name === "program" && text.length > this.choices.program_max) throw new Error(`A program has at most ${this.choices.program_max} characters.`);
    return text;
  }
}
