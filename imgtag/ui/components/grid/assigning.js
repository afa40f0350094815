// The thumbnail grid, part 3: giving pictures a class. Every step is shown at once and goes to Python as a line of a
// log that only grows: a state, not an event, so that none is lost however fast they come. Python does those it has
// not done yet and answers with the number of the last one.

function act(state, action, ids = [], target = "") {
  if (action !== "undo" && !ids.length) return;
  if (action === "trash" && state.data.only_classes) return;
  const next = following(state, ids);
  state.note = "";
  const seen = state.data.place;
  state.log = state.log.filter((entry) => entry.seq > state.applied);
  // What is accepted is what stood there when it was pressed, whatever Python would propose by then.
  const proposed = action === "accept" ? ids.map((id) => state.items.find((item) => item.id === id)?.proposal ?? "") : [];
  state.log.push({ seq: ++state.seq, action, ids, target, seen, proposed });
  const answered = state.data.only_classes && ids.length;  // it stays where it is, and changes there
  if (answered) { ids.forEach((id) => state.chosen.delete(id)); refresh(state); }
  const leaves = !answered && !["undo", "similar"].includes(action) && (["trash", "accept", "keep"].includes(action) || target !== seen);
  if (leaves) {
    const fate = fateOf(state, action, target);
    ids.forEach((id) => { state.chosen.delete(id); state.leaving.set(id, state.seq); state.fates.set(id, fate); });
    state.anchor = undefined;
    refresh(state);
    if (next) {
      state.focus = next;
      rove(state);
      if (!state.viewer.open) state.tiles.get(next)?.firstChild.focus();
    } else state.awaits = true;  // the focus goes to the first of those that come
  }
  if (action === "similar") state.chosen.clear();  // it stands first among those that come; here nothing stays chosen unseen
  post(state, 3000);
  say(state, action, ids.length, target);
}

// Sends the log, and again while there is no answer: what arrives while a page is being drawn may get lost.
function post(state, patience) {
  unheard.add(state);
  clearTimeout(state.waiting);
  state.send("log", { window: state.window, entries: state.log, sent: ++state.sent });
  state.waiting = setTimeout(() => { if (state.applied < state.seq) post(state, 2 * patience); }, patience);
}

// With the window would go what Python has not heard of yet: the browser asks before it closes.
const unheard = new Set();
addEventListener("beforeunload", (event) => {
  if ([...unheard].some((state) => state.root.isConnected && state.applied < state.seq)) event.preventDefault();
});

// The picture that gets the focus when these have gone: the one behind the last of them, else the one before.
function following(state, ids) {
  const gone = new Set(ids);
  const order = state.items.map((item) => item.id);
  const last = Math.max(...ids.map((id) => order.indexOf(id)), -1);
  return order.slice(last + 1).find((id) => !gone.has(id)) ?? order.slice(0, last + 1).reverse().find((id) => !gone.has(id));
}

function say(state, action, count, target) {
  const text = state.data.words[`told_${action}`];
  state.note = text.replace("{count}", count).replace("{target}", shownName(state, target));
  paint(state);
}

function shownName(state, target) {
  return state.data.classes.find((c) => c.name === target)?.shown ?? (target || state.data.words.unsorted);
}

// What is written on the place that a picture leaves.
function fateOf(state, action, target) {
  return state.data.words[`fate_${state.data.restores ? "restore" : action}`].replace("{target}", shownName(state, target));
}

function assignNumber(state, number, ids) {
  const target = state.data.classes.find((c) => c.key === number);
  if (target) act(state, "move", ids, target.name);
}

function startDrag(state, id, event) {
  if (!state.chosen.has(id)) { state.chosen = new Set([id]); changed(state); }
  state.root.classList.add("dragging");
  event.dataTransfer.setData("text/plain", String(state.chosen.size));
  event.dataTransfer.effectAllowed = "move";
  const count = element("div", "carried", `${state.chosen.size}`);
  state.root.append(count);
  event.dataTransfer.setDragImage(count, 16, 16);
  setTimeout(() => count.remove());
}

function dropTarget(made, drop) {
  made.ondragover = (event) => {
    if (!made.closest(".dragging")) return;  // a file from elsewhere
    event.preventDefault();
    made.classList.add("over");
  };
  made.ondragleave = () => made.classList.remove("over");
  made.ondrop = (event) => { event.preventDefault(); made.classList.remove("over"); drop(); };
  return made;
}

// What an accepted suggestion is about: what is chosen, else the whole page; of labels in question one at a time.
function acceptable(state) {
  if (state.data.keeps) return subject(state);
  return state.chosen.size ? chosenOnes(state) : state.items.map((item) => item.id);
}

// The classes to click on and to drop on: above the tiles, and in the large view.
function layClasses(state) {
  const { classes, words, place, undo } = state.data;
  state.back.disabled = !undo;
  state.back.title = undo ? `${words.undo} ${undo}` : "";
  const looks = JSON.stringify([classes, place]);
  if (state.bar.dataset.looks === looks) return;
  state.bar.dataset.looks = looks;
  state.bar.replaceChildren(...chips(state, (run) => run()));
  state.viewer.querySelector(".classes").replaceChildren(...chips(state, (run) => inViewer(state, run)));
}

function chips(state, doing) {
  const { classes, words, place } = state.data;
  const unsorted = { name: "", shown: words.unsorted, key: 0, count: "" };
  const made = [...classes, ...(place === "" || state.data.only_classes ? [] : [unsorted])].map((c) => {
    const give = () => doing((ids) => act(state, "move", ids ?? chosenOnes(state), c.name));
    const chip = dropTarget(button("chip", undefined, give), give);
    if (c.key) chip.append(element("kbd", "", c.key));
    chip.append(element("span", "name", c.shown), element("span", "count", c.count));
    chip.disabled = c.name === place && !state.data.doubtful;
    chip.title = `${words.move_to} “${c.shown}”`;
    return chip;
  });
  const type = () => openPalette(state, "", doing, state.viewer.open ? [state.viewed] : chosenOnes(state));
  return [dropTarget(button("chip plain", `+ ${words.other}`, type), type), ...made];
}

// Trash and undo, beside the ways to choose.
function commands(state) {
  const { words } = state.data;
  const trash = () => act(state, "trash", chosenOnes(state));
  state.back = button("undo", words.undo, () => act(state, "undo"));
  state.accept = button("accept", "", () => { if (!justReworded(state)) act(state, "accept", acceptable(state)); });
  state.keep = button("", words.keep, () => act(state, "keep", chosenOnes(state)));
  state.similar = button("similar", words.similar, () => act(state, "similar", chosenOnes(state).slice(0, 1)));
  return [state.accept, state.keep, dropTarget(button("trash", words.trash, trash), trash), state.back, state.similar];
}

// A field for typed class names: the first that fits is taken with Enter, a name that is none yet becomes a class.
function openPalette(state, text, doing = (run) => run(), about = state.viewer.open ? [state.viewed] : subject(state)) {
  if (!about.length) return;
  const { words, classes } = state.data;
  const input = state.palette.querySelector("input");
  const list = state.palette.querySelector("ul");
  let at = 0, offers = [];
  const close = () => { state.palette.close(); state.tiles.get(state.focus)?.firstChild.focus(); };
  const take = (offer) => {
    close();
    if (offer) doing((ids) => act(state, offer.fresh ? "class" : "move", ids ?? about, offer.name));
  };
  const list_offers = () => {
    const typed = input.value.trim();
    const plain = (name) => name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    const rank = (c) => Math.min(...[c.shown, c.name].map((name) => plain(name).indexOf(plain(typed))).map((i) => (i < 0 ? 99 : i && 1)));
    offers = classes.filter((c) => rank(c) < 99).sort((a, b) => rank(a) - rank(b)).slice(0, 8);
    if (typed && !classes.some((c) => plain(c.name) === plain(typed) || plain(c.shown) === plain(typed)))
      offers.push({ name: typed, shown: words.new_class.replace("{name}", typed), fresh: true });
    at = Math.min(at, Math.max(0, offers.length - 1));
    list.replaceChildren(...offers.map((offer, i) => {
      const line = element("li", i === at ? "at" : "", offer.shown);
      line.setAttribute("role", "option");
      line.setAttribute("aria-selected", i === at);
      line.onclick = () => take(offer);
      return line;
    }));
  };
  input.oninput = () => { at = 0; list_offers(); };
  input.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + offers.length) % Math.max(1, offers.length);
      list_offers();
    } else if (event.key === "Enter") { event.preventDefault(); take(offers[at]); }
    else if (event.key === "Escape") { event.preventDefault(); close(); }
  };
  input.value = text;
  list_offers();
  state.palette.showModal();
  input.focus();
  input.setSelectionRange(text.length, text.length);
}
