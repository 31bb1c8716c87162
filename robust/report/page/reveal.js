"use strict";
// Opens the section that the address names, also in browsers that do not open it themselves. Returns whether it is here.
function reveal(id) {
  const target = document.getElementById(id);
  const model = target?.closest("details");
  if (model) { model.open = true; target.scrollIntoView(); }
  return Boolean(model);
}
addEventListener("hashchange", () => reveal(location.hash.slice(1)));
reveal(location.hash.slice(1));
