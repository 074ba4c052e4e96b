// A question in a page: the choice that is clicked is marked, and the right one opens the answer.
for (const question of document.querySelectorAll(".question")) {
  const verdict = question.querySelector(".verdict");
  for (const choice of question.querySelectorAll(".choices button")) {
    choice.addEventListener("click", () => {
      const isRight = choice.hasAttribute("data-right");
      choice.classList.add(isRight ? "right" : "wrong");
      verdict.textContent = isRight ? "Right." : `No, not: ${choice.textContent}. Try again, or open the answer.`;
      if (isRight) question.querySelector("details").open = true;
    });
  }
}
