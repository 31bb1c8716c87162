// Sorting, filtering, downloads, and a link to the current view. The page is complete without this file.
(() => {
  const at = (id) => document.getElementById(id);
  const filters = ["threat", "training", "verdict"];
  const FIRST = 100; // rows of a board that are drawn until more are asked for
  const boards = [...document.querySelectorAll(".board")].map((section, number) => {
    const body = section.querySelector("tbody");
    const others = section.querySelector("template")?.content.children ?? [];
    const points = [...section.querySelectorAll(".points > *")].reverse();
    const rows = [...body.rows, ...others].map((line, k) => ({ line, k, number, point: points[k] }));
    for (const row of rows) row.words = row.line.textContent.toLowerCase();
    return { section, body, rows, fitting: rows, most: FIRST, heads: [...section.querySelectorAll("thead th")] };
  });
  const total = boards.reduce((sum, board) => sum + board.rows.length, 0);
  let sorted = null; // {title, down}, for all tables

  const words = (cell) => [...cell.childNodes].map((part) => part.textContent).join("\n").toLowerCase();
  const value = (cell, head) =>
    head.classList.contains("word") ? words(cell) : parseFloat(cell.textContent.replaceAll(",", ""));

  function compare(a, b, down) {
    const none = (x) => x === "" || Number.isNaN(x); // missing values come last in both directions
    if (none(a) || none(b)) return none(a) - none(b);
    return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
  }

  function arrange({ heads, fitting }) {
    const column = sorted ? heads.findIndex((head) => head.textContent === sorted.title) : -1;
    heads.forEach((head, k) => {
      if (k === column) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    if (column < 0) return;
    const keys = new Map(fitting.map((row) => [row, value(row.line.cells[column], heads[column])]));
    fitting.sort((a, b) => compare(keys.get(a), keys.get(b), sorted.down) || a.k - b.k);
  }

  function filter(board, words) {
    const fits = ({ line, words: all }) => {
      const values = { threat: board.section.dataset.threat, training: line.dataset.t, verdict: line.dataset.v };
      return filters.every((name) => ["", values[name]].includes(at(name).value)) && words.every((w) => all.includes(w));
    };
    board.fitting = board.rows.filter(fits);
    const found = new Set(board.fitting);
    for (const row of board.rows) row.point?.classList.toggle("gone", !found.has(row));
    board.section.hidden = !found.size;
  }

  // Rows that are not drawn are not in the document: a browser takes seconds for thousands.
  function draw(board) {
    board.body.replaceChildren(...board.fitting.slice(0, board.most).map((row) => row.line));
    if (!board.more) return;
    const left = board.fitting.length - board.most;
    board.more.hidden = left <= 0;
    board.more.textContent = `Show ${Math.min(left, board.most)} more of ${board.fitting.length} rows`;
  }

  function report(message) {
    const order = sorted ? `, sorted by ${sorted.title}, ${sorted.down ? "descending" : "ascending"}` : "";
    const shown = boards.reduce((sum, board) => sum + board.fitting.length, 0);
    at("state").textContent = `${shown} of ${total} rows${order}${message ? `. ${message}` : ""}`;
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
    if (hash && !hash.includes("=")) return at(hash) || follow(`#${hash}`);
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

  // The section of a row of a large leaderboard is on another page, to which the row's link leads.
  function follow(hash) {
    const links = boards.flatMap((board) => board.rows.map((row) => row.line.querySelector("a").getAttribute("href")));
    const link = links.find((each) => each.endsWith(hash) && each !== hash);
    if (link) location.replace(link);
  }

  function refresh() {
    const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const board of boards) { board.most = FIRST; filter(board, words); arrange(board); draw(board); }
    report();
  }

  function save(name, type, content) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  // The lines of leaderboard.csv for the rows that fit, in their order.
  let data = null;
  function seen() {
    data ??= JSON.parse(at("data").textContent);
    return boards.flatMap((board) => board.fitting.map(({ number, k }) => {
      const { same, at: places, rows } = data.boards[number];
      const line = data.columns.map((_, column) => same[column] ?? null);
      places.forEach((column, place) => { line[column] = rows[k][place]; });
      return line;
    }));
  }

  // A spreadsheet would run a text that begins like a formula.
  const guarded = (cell) => (typeof cell === "string" ? cell.replace(/(^|;)\s*(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g, "$1'") : cell ?? "");
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell));
  const csv = (line) => line.map((cell) => quoted(guarded(cell))).join(",");

  const actions = {
    link: () => navigator.clipboard.writeText(location.href)
      .then(() => report("The link is copied."), () => report("Copy it from the address bar.")),
    csv: () => {
      const lines = seen();
      save("leaderboard.csv", "text/csv", [data.columns, ...lines].map((line) => `${csv(line)}\n`).join(""));
    },
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
  for (const board of boards.filter((each) => each.rows.length > FIRST)) {
    board.more = document.createElement("button");
    board.more.type = "button";
    board.more.addEventListener("click", () => { board.most *= 2; draw(board); });
    board.section.querySelector(".further").replaceChildren(board.more);
  }
  for (const name of ["search", ...filters]) at(name).addEventListener("input", () => { refresh(); remember(); });
  for (const [name, act] of Object.entries(actions)) at(name).addEventListener("click", act);
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", restore);
  at("controls").hidden = false;
  restore();
  if (!at("state").textContent) refresh();
})();
