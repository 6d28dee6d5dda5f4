// Small conveniences; every page works without them.
(() => {
  "use strict";

  // Copy buttons, where the browser lets a page copy.
  const copyable = Boolean(navigator.clipboard);
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!copyable) { button.hidden = true; continue; }
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      const words = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = words; }, 1500);
    });
  }

  // What a mark of the picture stands for, beside it, on hover and on focus.
  const readOut = document.getElementById("read-out");
  const show = (mark) => {
    const entry = document.getElementById(mark.dataset.entry);
    if (!readOut || !entry) return;
    readOut.replaceChildren(...Array.from(entry.cloneNode(true).childNodes));
    readOut.classList.add("shown");
  };
  for (const mark of document.querySelectorAll("[data-entry]")) {
    mark.addEventListener("mouseenter", () => show(mark));
    mark.addEventListener("focus", () => show(mark));
  }

  // What scrolls sideways fades out on the sides where there is more of it.
  for (const frame of document.querySelectorAll(".scroll")) {
    const edges = () => {
      const most = frame.scrollWidth - frame.clientWidth, at = frame.scrollLeft;
      const left = getComputedStyle(frame).direction === "rtl" ? most + at : at;
      frame.classList.toggle("more-left", left > 1);
      frame.classList.toggle("more-right", left < most - 1);
    };
    frame.addEventListener("scroll", edges, { passive: true });
    new ResizeObserver(edges).observe(frame);
  }

  // A file dropped on a field is read into it.
  for (const field of document.querySelectorAll("[data-drop]")) {
    field.addEventListener("dragover", (event) => event.preventDefault());
    field.addEventListener("drop", async (event) => {
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      field.value = await file.text();
    });
  }

  // The place of a fault is marked in the text.
  for (const place of document.querySelectorAll("[data-line]")) {
    place.addEventListener("click", (event) => {
      const field = document.getElementById("request"), lines = field.value.split("\n"), line = place.dataset.line - 1;
      const start = lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, 0);
      event.preventDefault();
      field.focus();
      field.setSelectionRange(start + Number(place.dataset.column) - 1, start + lines[line].length);
      field.scrollTop = (field.scrollHeight / lines.length) * Math.max(0, line - 4);
      field.scrollIntoView({ block: "center" });
    });
  }

  // What was changed is marked, whether or not it changes a card.
  for (const control of document.querySelectorAll("[data-was]")) {
    control.addEventListener("input", () => {
      control.closest(".field").classList.toggle("edited", control.value !== control.dataset.was);
    });
  }
  for (const box of document.querySelectorAll("input[name=without]")) {
    box.addEventListener("input", () => box.closest("fieldset").classList.toggle("left-out", box.checked));
  }

  // Rows are found by what stands in them; groups open where something is found.
  for (const filter of document.querySelectorAll("[data-filter]")) {
    filter.closest("[hidden]").hidden = false;
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const group of document.querySelectorAll(`${filter.dataset.filter} details.group`)) {
        let found = 0;
        for (const row of group.querySelectorAll("[data-row]")) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
          found += !row.hidden;
        }
        group.hidden = !found;
        if (words.length && found) group.open = true;
      }
    });
  }

  // A shared case stands behind the # of the address; it goes to the service with the form alone.
  for (const held of document.querySelectorAll("[data-held]")) {
    if (location.hash.length > 1 && !held.value) held.value = location.hash.slice(1);
  }

  // A drug in a card lights its bars in the picture, and the other way round.
  const inSight = (bar) => {
    const frame = bar.closest(".scroll"), edge = frame?.getBoundingClientRect(), at = bar.getBoundingClientRect();
    if (edge && (at.left < edge.left || at.right > edge.right)) frame.scrollBy({ left: at.left - edge.left - 40 });
  };
  const light = (drug, on) => {
    for (const each of document.querySelectorAll("[data-drug]")) {
      if (each.dataset.drug === drug) each.classList.toggle("lit", on);
    }
  };
  for (const each of document.querySelectorAll("[data-drug]")) {
    const on = () => {
      light(each.dataset.drug, true);
      if (each.closest(".card")) { const bar = document.querySelector(".history .bar.lit"); if (bar) inSight(bar); }
    };
    const off = () => light(each.dataset.drug, false);
    for (const [event, act] of [["mouseenter", on], ["focus", on], ["mouseleave", off], ["blur", off]]) {
      each.addEventListener(event, act);
    }
  }

  // A link into a closed part opens it.
  const open = () => {
    if (location.hash.length < 2) return;
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    target.scrollIntoView({ block: "center" });
    const focusable = target.tagName === "DETAILS" ? target.querySelector("summary") : target;
    focusable.focus({ preventScroll: true });
  };
  addEventListener("hashchange", open);
  open();

  // A change that could not be tried is not passed over in silence.
  for (const event of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(event, () => {
      const said = document.createElement("p");
      said.className = "problem";
      said.textContent = "This could not be tried: the page is too old, or the service is not there. Open the patient again.";
      document.getElementById("outcome").replaceChildren(said);
    });
  }

  // Once the page is being left by another form, no change still waiting is tried: it would undo what that form does.
  let leaving = false;
  document.addEventListener("submit", (event) => { leaving = !event.target.matches("[hx-post]"); });
  document.addEventListener("htmx:beforeRequest", (event) => { if (leaving) event.preventDefault(); });
  addEventListener("pageshow", () => { leaving = false; });

  // Paper shows everything.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.words:not([open])")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
})();
