"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const sortBy = (column) => {
    const head = heads[column];
    const was = head.getAttribute("aria-sort");
    const down = was ? was === "ascending" : head.dataset.first === "descending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.sort ?? "";
    const rows = [...body.rows].sort((one, two) => {
      const a = key(one), b = key(two);
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      return down ? -order : order;
    });
    body.append(...rows);
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sortBy(column)));
}
for (const form of document.querySelectorAll("form.chooser")) {
  const table = document.getElementById(form.dataset.for);
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const search = form.querySelector("input[type=search]");
  const showColumns = () => {
    const off = new Set(boxes.filter((box) => !box.checked).map((box) => Number(box.value)));
    for (const row of table.rows) [...row.cells].forEach((cell, column) => (cell.hidden = off.has(column)));
  };
  boxes.forEach((box) => box.addEventListener("change", showColumns));
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.cells[0].dataset.sort.toLowerCase().includes(wanted);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  showColumns();
}
for (const form of document.querySelectorAll("form.switch")) {
  const select = form.querySelector("select");
  const parts = [...form.parentElement.querySelectorAll(".switched")];
  const show = () => parts.forEach((part) => (part.hidden = part.dataset.name !== select.value));
  if (parts.length > 1) {
    form.hidden = false;
    select.addEventListener("change", show);
    show();
  }
}
const openTarget = () => {
  const target = document.getElementById(location.hash.slice(1));
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
    if (part.hidden) part.hidden = false;
  }
  target?.scrollIntoView();
};
addEventListener("hashchange", openTarget);
if (location.hash) openTarget();
// what is folded away would be missing on paper
addEventListener("beforeprint", () => document.querySelectorAll(".switched").forEach((part) => (part.hidden = false)));
