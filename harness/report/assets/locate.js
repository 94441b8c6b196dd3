// The filter of the table of tensors; without it the table shows all of them.

(() => {
  const rows = [...document.getElementById("rows").tBodies[0].rows];
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const names = rows.map((row) => row.cells[0].textContent.toLowerCase());

  const narrow = () => {
    const words = filter.elements.text.value.trim().toLowerCase();
    const chosen = new Set([...filter.querySelectorAll("[name=state]:checked")].map((box) => box.value));
    let count = 0;
    rows.forEach((row, n) => {
      const fits = chosen.has(row.dataset.state) && names[n].includes(words);
      row.hidden = !fits;
      count += fits;
    });
    shown.textContent = `${count} of ${rows.length} shown`;
    document.getElementById("nothing").hidden = count > 0;
  };

  filter.hidden = false;
  filter.addEventListener("input", narrow);
  filter.addEventListener("submit", (event) => event.preventDefault());
  narrow();
  document.documentElement.dataset.ready = "yes";
})();
