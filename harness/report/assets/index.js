// Sorting and filtering of the table of ports; without it the table keeps the written order.

(() => {
  const table = document.getElementById("ports");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");

  const valueOf = (row, key) => row.querySelector(`[data-key="${key}"]`).dataset.value;
  const compare = (kind) => (a, b) =>
    kind === "number" ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });

  // Unknown values come last in both directions; equal rows keep their order.
  const sort = (key, kind, sign) => {
    const known = rows.filter((row) => valueOf(row, key) !== "");
    const order = compare(kind);
    known.sort((a, b) => sign * order(valueOf(a, key), valueOf(b, key)));
    body.append(...known, ...rows.filter((row) => valueOf(row, key) === ""));
  };

  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const head = button.closest("th");
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    sort(button.dataset.sort, button.dataset.kind, up ? 1 : -1);
  });

  const narrow = () => {
    const words = filter.elements.text.value.trim().toLowerCase();
    const chosen = new Set([...filter.querySelectorAll("[name=verdict]:checked")].map((box) => box.value));
    let count = 0;
    for (const row of rows) {
      const fits = chosen.has(row.dataset.verdict) && row.cells[0].textContent.toLowerCase().includes(words);
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
    document.getElementById("nothing").hidden = count > 0;
  };

  filter.hidden = false;
  filter.addEventListener("input", narrow);
  filter.addEventListener("submit", (event) => event.preventDefault());
  narrow();
  performance.mark("interactive");
  document.documentElement.dataset.ready = "yes";
})();
