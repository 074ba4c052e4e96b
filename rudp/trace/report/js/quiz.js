// The quiz: what comes next is hidden, and asked for.  The wrong answers are other steps of the run.

const ANSWERS = 4;
const NEAR = 60; // steps before and after among which wrong answers are looked for first

class Quiz {
  constructor(node, onTold, onNext) {
    this.node = node;
    this.onTold = onTold;
    this.onNext = onNext;
    this.on = false;
    this.asking = false;
    this.right = 0;
    this.asked = 0;
  }

  // Ask for the step after `n`.
  ask(run, n) {
    const next = run.steps[n + 1];
    this.asking = !!next;
    if (!next) {
      this.node.replaceChildren(html("p", {}, `That was the last step. ${this.score()}`));
      return;
    }
    this.next = next;
    this.gist = next.told.gist;
    this.options = this.choices(run, next);
    const buttons = this.options.map((text, at) => html("li", {}, html("button", { onclick: () => this.answer(at) }, `${at + 1}  ${text}`)));
    this.node.replaceChildren(html("h2", {}, "What happens next?"), html("ol", {}, buttons), html("p", {}, this.score()));
  }

  choices(run, next) {
    const others = new Set();
    const gather = (steps) => {
      for (const { kind, told } of steps) if (told.gist !== this.gist && kind !== "gap") others.add(told.gist);
    };
    gather(run.steps.slice(Math.max(0, next.n - NEAR), next.n + NEAR));
    if (others.size < ANSWERS - 1) gather(run.steps);
    for (const side of others.size < ANSWERS - 1 ? [0, 1] : []) {
      const name = run.nameOf(side);
      for (const text of [`the retransmission timer of ${name} expires`, `${name} sends RST`]) if (text !== this.gist) others.add(text);
    }
    // Which ones, and in which order, follows from the step: the same each time.
    const pick = [...others];
    const wrong = [];
    for (let seed = next.n * 7 + 3; wrong.length < ANSWERS - 1 && pick.length; seed = seed * 31 + 7) wrong.push(...pick.splice(seed % pick.length, 1));
    wrong.splice((next.n * 5 + 1) % ANSWERS, 0, this.gist);
    return wrong;
  }

  score() {
    return this.asked ? `${this.right} of ${this.asked} right.` : "";
  }

  // `at`: the answer, null for none.
  answer(at) {
    if (!this.asking) return;
    this.asking = false;
    const isRight = this.options[at] === this.gist;
    this.asked += 1;
    this.right += isRight;
    const verdict = isRight ? html("p", { class: "right" }, "Right.") : html("p", { class: "wrong" }, at === null ? "It was:" : `No, not: ${this.options[at]}.`);
    this.node.replaceChildren(verdict, html("p", {}, this.gist), html("p", {}, this.score()), html("button", { onclick: this.onNext }, "next question (→)"));
    this.onTold(this.next.n);
  }
}
