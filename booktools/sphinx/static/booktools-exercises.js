/* Sorts the table of all exercises by any column, and filters it by kind. Without this
   script the table is complete, in the order of the book. */
"use strict";

for (const list of document.querySelectorAll(".exercise-list")) {
  const [count, choice, body] = ["p", "select", "tbody"].map(part => list.querySelector(part));
  const rows = [...body.rows];
  const text = (row, column) => row.cells[column].textContent.trim();
  const all = count.textContent;
  count.setAttribute("role", "status");
  choice.addEventListener("change", ({ target }) => {
    for (const row of rows) row.hidden = target.value !== "" && text(row, 2) !== target.value;
    const shown = rows.filter(row => !row.hidden);
    const minutes = shown.reduce((sum, row) => sum + Number(text(row, 3)), 0);
    count.textContent = target.value
      ? `${shown.length} of ${rows.length} exercises, about ${Math.round(minutes / 60)} hours.`
      : all;
  });

  const headings = [...list.querySelectorAll("thead th:has(span)")];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.ariaSort === "ascending";
      for (const each of headings) each.ariaSort = null;
      heading.ariaSort = down ? "descending" : "ascending";
      const order = (a, b) => text(a, column).localeCompare(text(b, column), "en", { numeric: true });
      // Equal rows stay in the order of the book.
      body.append(...rows.toSorted(down ? (a, b) => order(b, a) : order));
    });
  });
}
