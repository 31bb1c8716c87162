"use strict";
// Sorting, filtering, downloads, and a link to the current view. The page is complete without this file.
(() => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const filters = ["threat", "training", "verdict"];
  const boards = [...document.querySelectorAll(".board")];
  const rows = boards.flatMap((board) =>
    [...board.querySelectorAll("tbody tr")].map((line) => ({ line, board, words: line.textContent.toLowerCase() })));
  rows.forEach((row, k) => { row.k = k; });
  let sorted = null; // {title, down}, for all tables

  const words = (cell) => [...cell.childNodes].map((part) => part.textContent).join("\n").toLowerCase();
  const value = (cell, head) =>
    head.classList.contains("word") ? words(cell) : parseFloat(cell.textContent.replaceAll(",", ""));

  function compare(a, b, down) {
    const none = (x) => x === "" || Number.isNaN(x); // missing values come last in both directions
    if (none(a) || none(b)) return none(a) - none(b);
    return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
  }

  function arrange() {
    for (const board of boards) {
      const heads = [...board.querySelectorAll("thead th")];
      const column = sorted ? heads.findIndex((head) => head.textContent === sorted.title) : -1;
      heads.forEach((head, k) => {
        if (k === column) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      const ordered = rows.filter((row) => row.board === board);
      if (column >= 0) {
        const keys = new Map(ordered.map((row) => [row, value(row.line.cells[column], heads[column])]));
        ordered.sort((a, b) => compare(keys.get(a), keys.get(b), sorted.down) || a.k - b.k);
      }
      board.querySelector("tbody").append(...ordered.map((row) => row.line));
    }
  }

  const shown = () => rows.filter((row) => !row.line.hidden);

  function filter() {
    const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { line, board, words: all } of rows) {
      const values = { threat: board.dataset.threat, training: line.dataset.t, verdict: line.dataset.v };
      const fits = filters.every((name) => ["", values[name]].includes(at(name).value));
      line.hidden = !(fits && words.every((word) => all.includes(word)));
    }
    const links = new Set(shown().map((row) => row.line.querySelector("a").hash));
    for (const point of document.querySelectorAll(".board .chart a")) {
      point.classList.toggle("gone", !links.has(point.getAttribute("href")));
    }
    for (const board of boards) board.hidden = !rows.some((row) => row.board === board && !row.line.hidden);
  }

  function report(message) {
    const order = sorted ? `, sorted by ${sorted.title}, ${sorted.down ? "descending" : "ascending"}` : "";
    at("state").textContent = `${shown().length} of ${rows.length} rows${order}${message ? `. ${message}` : ""}`;
  }

  function remember() {
    const state = new URLSearchParams();
    if (at("search").value) state.set("q", at("search").value);
    for (const name of filters) if (at(name).value) state.set(name, at(name).value);
    if (sorted) state.set("sort", (sorted.down ? "-" : "") + sorted.title);
    const hash = state.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  function restore() {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) return reveal(hash);
    const state = new URLSearchParams(hash);
    at("search").value = state.get("q") ?? "";
    for (const name of filters) {
      const exists = [...at(name).options].some((option) => option.value === state.get(name));
      at(name).value = exists ? state.get(name) : "";
    }
    const order = state.get("sort");
    const title = order?.replace(/^-/, "");
    const exists = [...document.querySelectorAll(".board thead th")].some((head) => head.textContent === title);
    sorted = exists ? { title, down: order.startsWith("-") } : null;
    refresh();
  }

  function reveal(id) {
    const target = at(id);
    const model = target?.closest("details");
    if (model) { model.open = true; target.scrollIntoView(); }
  }

  function refresh() { arrange(); filter(); report(); }

  function save(name, type, content) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  // The lines of leaderboard.csv for the visible rows, in their order.
  const numbers = new Map(rows.map((row) => [row.line, row.k]));
  const seen = () => [...document.querySelectorAll(".board tbody tr:not([hidden])")]
    .map((line) => data.rows[numbers.get(line)]);

  // A spreadsheet would run a text that begins like a formula.
  const guarded = (cell) => (typeof cell === "string" ? cell.replace(/(^|;)\s*(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g, "$1'") : cell ?? "");
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell));
  const csv = (line) => line.map((cell) => quoted(guarded(cell))).join(",");

  const actions = {
    link: () => navigator.clipboard.writeText(location.href)
      .then(() => report("The link is copied."), () => report("Copy it from the address bar.")),
    csv: () => save("leaderboard.csv", "text/csv", [data.columns, ...seen()].map((line) => `${csv(line)}\n`).join("")),
    json: () => {
      const lines = seen().map((line) => Object.fromEntries(data.columns.map((column, k) => [column, line[k]])));
      save("leaderboard.json", "application/json", `${JSON.stringify(lines, null, 1)}\n`);
    },
    clear: () => { at("controls").reset(); sorted = null; refresh(); remember(); },
  };

  for (const head of document.querySelectorAll(".board thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const title = head.textContent;
      const first = !head.classList.contains("word") && title !== "rank"; // the largest first
      sorted = { title, down: sorted?.title === title ? !sorted.down : first };
      refresh();
      remember();
    });
  }
  for (const name of ["search", ...filters]) at(name).addEventListener("input", () => { refresh(); remember(); });
  for (const [name, act] of Object.entries(actions)) at(name).addEventListener("click", act);
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", restore);
  at("controls").hidden = false;
  restore();
  report();
})();
