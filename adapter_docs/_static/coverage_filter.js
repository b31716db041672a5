// Rows of the tables of architectures on the coverage page, by words and by the state of a method. Without it the page
// shows all of them.
(() => {
  const STATES = { "✓": "proven", "○": "supported, not run", "✗": "failed", "–": "refused" };
  const place = document.querySelector("#coverage #which > h2");
  if (!place) return;

  const titles = (table) => [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const tables = [...document.querySelectorAll("#coverage #which table")];
  const methods = titles(tables[0]).slice(3); // after name, family, and what it reads
  const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
  const reasons = [...document.querySelectorAll("#coverage #why-not li")];

  const choice = (label, options) => {
    const select = document.createElement("select");
    for (const [value, text] of options) select.add(new Option(text, value));
    return labelled(label, select);
  };
  const labelled = (text, control) => {
    const label = document.createElement("label");
    label.append(text, control);
    control.addEventListener("input", show);
    form.append(label);
    return control;
  };

  const form = document.createElement("form");
  form.className = "coverage-filter";
  form.setAttribute("role", "search");
  form.addEventListener("submit", (event) => event.preventDefault());
  const words = labelled("Name, family or input", Object.assign(document.createElement("input"), { type: "search" }));
  const method = choice("Method", [["", "any method"], ...methods.map((title, index) => [String(index), title])]);
  const state = choice("State", [["", "any state"], ...Object.entries(STATES).map(([mark, text]) => [mark, `${mark} ${text}`])]);
  const count = document.createElement("output");
  form.append(count);
  place.after(form);

  function show() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const said = (element) => element.textContent.toLowerCase();
    for (const row of rows) {
      const cells = [...row.cells].map((cell) => cell.textContent.trim());
      const marks = method.value === "" ? cells.slice(3) : [cells[3 + Number(method.value)]];
      const text = cells.slice(0, 3).join(" ").toLowerCase();
      row.hidden = !(wanted.every((word) => text.includes(word)) && (state.value === "" || marks.includes(state.value)));
    }
    for (const table of tables) {
      table.closest("section").hidden = [...table.tBodies[0].rows].every((row) => row.hidden);
    }
    for (const reason of reasons) reason.hidden = !wanted.every((word) => said(reason).includes(word));
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} architectures`;
  }
  show();
})();
