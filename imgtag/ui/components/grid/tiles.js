// The thumbnail grid, part 1: the tiles. Names come from files of strangers: text is only ever set as textContent.

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(className, text, onclick, label) {
  const made = element("button", className, text);
  made.type = "button";
  made.onclick = onclick;
  if (label) made.setAttribute("aria-label", label);
  return made;
}

// What a tile says below its picture; returns whether that has changed under the eyes of somebody.
function tell(state, tile, item) {
  const words = JSON.stringify([item.caption, item.note, item.changed]);
  if (tile.dataset.words === words) return false;
  const before = tile.dataset.words;
  tile.dataset.words = words;
  const face = tile.firstChild;
  face.querySelector(".caption")?.remove();
  if (item.caption) {
    const caption = element("span", "caption");
    caption.append(element("b", "", item.caption));
    if (item.note) caption.append(element("span", "", item.note));
    face.append(caption);
  }
  tile.classList.toggle("changed", Boolean(item.changed));
  face.title = [item.title, item.note, item.changed && state.data.words.changed].filter(Boolean).join("\n");
  return before !== undefined && JSON.parse(before)[0] !== item.caption;
}

// A tile whose picture and mode are unchanged is used again: nothing flickers, the focus stays.
function tileOf(state, item) {
  const kept = state.tiles.get(item.id);
  const { caption, note, proposal, changed, ...picture } = item;
  const looks = JSON.stringify([picture, state.data.mode]);
  if (kept && kept.dataset.looks === looks) {
    if (tell(state, kept, item)) state.reworded = performance.now();
    return kept;
  }
  const tile = element("div", "tile");
  tile.dataset.id = item.id;
  tile.dataset.looks = looks;
  const strip = state.data.mode === "strip";
  const face = element(strip ? "div" : "button", "face");
  const frame = element("span", "frame");
  const image = element("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.draggable = false;
  image.alt = item.title;
  image.onerror = () => frame.classList.add("broken");
  image.src = item.src;
  frame.append(image);
  if (item.mark) frame.append(element("span", `mark ${item.mark}`, item.mark === "right" ? "✓" : "✗"));
  face.append(frame);
  tile.append(face);
  tell(state, tile, item);
  if (strip) return tile;
  face.type = "button";
  if (!state.sorts) {
    face.onclick = () => openViewer(state, item.id);
    return tile;
  }
  face.draggable = true;
  face.onclick = (event) => (state.data.quiet ? openViewer(state, item.id) : click(state, item.id, event));
  face.onpointermove = (event) => pointAt(state, item.id, event);
  face.onfocus = () => { state.focus = item.id; rove(state); };
  face.ondragstart = (event) => startDrag(state, item.id, event);
  face.ondragend = () => state.root.classList.remove("dragging");
  tile.append(button("zoom", "⤢", () => openViewer(state, item.id), `${state.data.words.enlarge}: ${item.title}`));
  return tile;
}

// Where suggestions are decided one by one, nothing slides under the mouse: what has gone leaves a pale print in its
// place, with what became of it, until others come.
function placesOf(state) {
  const ids = state.items.map((item) => item.id);
  const same = state.places && state.placesOf === state.token && ids.every((id) => state.places.includes(id));
  if (!state.data.accepts || !same) {
    state.places = ids;
    state.placesOf = state.token;
    state.prints = new Map();
  }
  return state.places;
}

function printOf(state, id, tile) {
  let print = state.prints.get(id);
  if (!print) {
    print = element("div", "print");
    print.setAttribute("aria-hidden", "true");
    const frame = tile.querySelector(".frame").cloneNode(true);
    const caption = element("span", "caption");
    caption.append(element("b"));
    print.append(frame, caption);
    state.prints.set(id, print);
  }
  print.querySelector("b").textContent = state.fates.get(id) ?? state.data.words.decided;
  return print;
}

function layTiles(state) {
  const fresh = new Map();
  const before = state.tiles;
  for (const item of state.items) fresh.set(item.id, tileOf(state, item));
  const wanted = placesOf(state)
    .map((id) => fresh.get(id) ?? (before.has(id) || state.prints.has(id) ? printOf(state, id, before.get(id)) : null))
    .filter(Boolean);
  for (const id of fresh.keys()) { state.prints.delete(id); state.fates.delete(id); }
  state.tiles = fresh;
  const there = [...state.board.children];
  if (wanted.length !== there.length || wanted.some((tile, at) => tile !== there[at])) {
    const focused = state.root.getRootNode().activeElement?.closest?.(".tile");
    const rest = focused ? there.slice(there.indexOf(focused)).concat(there.slice(0, there.indexOf(focused)).reverse()) : [];
    state.board.replaceChildren(...wanted);
    const heir = rest.find((tile) => fresh.has(tile.dataset.id));  // itself, or its neighbour if it has gone
    if (heir) fresh.get(heir.dataset.id).firstChild.focus({ preventScroll: true });
  }
  if (state.data.tile) state.board.style.setProperty("--tile", `${state.size || state.data.tile}px`);
}

// Only one tile can be reached with Tab; from there on, arrow keys.
function rove(state) {
  if (!state.tiles.has(state.focus)) state.focus = state.items[0]?.id;
  for (const [id, tile] of state.tiles) tile.firstChild.tabIndex = id === state.focus ? 0 : -1;
}

function paint(state) {
  for (const [id, tile] of state.tiles) {
    const chosen = state.chosen.has(id);
    tile.classList.toggle("selected", chosen);
    if (state.sorts) tile.firstChild.setAttribute("aria-pressed", chosen);
  }
  if (state.counter) {
    const { selected, hint: mouse_hint, touch_hint, restore_hint } = state.data.words;
    const hint = state.data.restores ? restore_hint : matchMedia("(hover: none)").matches ? touch_hint : mouse_hint;
    state.counter.textContent = state.note || (state.chosen.size ? `${state.chosen.size} ${selected}` : hint);
    const { accept_one } = state.data.words;
    const [accept_all, accept_chosen] = ["all", "chosen"].map((n) => state.data.words[`${state.data.restores ? "restore" : "accept"}_${n}`]);
    state.accept.disabled = state.data.keeps && !state.chosen.size;
    state.accept.hidden = !state.data.accepts || !state.items.length;
    const all = state.data.keeps ? accept_one : accept_all;  // of labels in question, never a whole page
    state.accept.textContent = (state.chosen.size ? accept_chosen : all).replace("{count}", state.chosen.size || state.items.length);
    state.keep.hidden = !state.data.keeps;
    state.keep.disabled = !state.chosen.size;
    state.similar.hidden = !state.data.similar;
    state.similar.disabled = state.chosen.size !== 1;
  }
}
