"use strict";
// Sorts, filters and unfolds; the page says all without it.
const all = (what, inside) => [...(inside || document).querySelectorAll(what)];
for (const each of all(".tools")) each.hidden = false;  // what does nothing without this is not shown without it

for (const head of all("table.sortable th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const table = head.closest("table"), body = table.tBodies[0], at = head.cellIndex;
    const up = head.getAttribute("aria-sort") === "descending";
    for (const other of all("th", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => {
      const cell = row.cells[at];
      return cell.dataset.v === undefined ? cell.textContent : cell.dataset.v === "" ? -1 : Number(cell.dataset.v);
    };
    const sign = up ? 1 : -1;
    const rows = [...body.rows].map(row => [value(row), row]);
    rows.sort(([a], [b]) => sign * (typeof a === "number" ? a - b : a.localeCompare(b)));
    body.append(...rows.map(([, row]) => row));
  });
}

const pressed = new Set();
const input = document.querySelector("#filter");
const show = () => {
  const words = (input ? input.value : "").toLowerCase().split(/\s+/).filter(Boolean);
  for (const each of all("[data-outcome]")) {
    const text = each.textContent.toLowerCase();
    const fits = (!pressed.size || pressed.has(each.dataset.outcome)) && words.every(word => text.includes(word));
    each.classList.toggle("off", !fits);
  }
  for (const bar of all("#attempts rect")) {
    const outcome = bar.getAttribute("class").slice(2);
    bar.classList.toggle("dim", pressed.size > 0 && ![...pressed].some(each => outcome.split(" ")[0] === each));
  }
};
if (input) input.addEventListener("input", show);
for (const item of all("#outcomes li")) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", "false");
  button.append(...item.childNodes);
  item.append(button);
  button.addEventListener("click", () => {
    const on = !pressed.has(item.dataset.word);
    on ? pressed.add(item.dataset.word) : pressed.delete(item.dataset.word);
    button.setAttribute("aria-pressed", String(on));
    show();
  });
}

const unfold = document.querySelector("#unfold");
if (unfold) unfold.addEventListener("click", () => {
  const folded = all("details:not([open])");
  for (const each of folded.length ? folded : all("details")) each.open = folded.length > 0;
});
const reveal = () => {
  const wanted = location.hash && document.getElementById(location.hash.slice(1));
  for (let each = wanted; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  if (wanted) wanted.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
addEventListener("beforeprint", () => { for (const each of all("details")) each.open = true; });
