"use strict";
const body = document.querySelector("tbody");
const heads = [...document.querySelectorAll("thead th")];
function sort(head, column) {
  const down = head.getAttribute("aria-sort") === "ascending";
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const isNumber = head.classList.contains("n");
  const key = (row) => row.cells[column].dataset.key;
  const compare = isNumber
    ? (a, b) => Number(key(a)) - Number(key(b))
    : (a, b) => key(a).localeCompare(key(b), undefined, { numeric: true });
  const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * compare(a, b));
  body.append(...rows);
}
heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sort(head, column)));
// On paper nothing can be opened.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
