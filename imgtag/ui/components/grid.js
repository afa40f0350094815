// The thumbnail grid: shows pictures, lets the user choose several, opens one large.
// Names come from files of strangers: text is only ever set as textContent.
const states = new WeakMap();

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function report(state) {
  clearTimeout(state.timer);
  state.timer = setTimeout(
    () => state.send("selected", { token: state.token, ids: [...state.chosen] }), 120);
}

function paint(state) {
  for (const [id, tile] of state.tiles) {
    const chosen = state.chosen.has(id);
    tile.classList.toggle("selected", chosen);
    if (state.selectable) tile.firstChild.setAttribute("aria-pressed", chosen);
  }
  if (state.counter) {
    const words = state.data.words;
    state.counter.textContent = state.chosen.size ? `${state.chosen.size} ${words.selected}` : words.hint;
  }
}

function choose(state, position, event) {
  const ids = state.items.map((item) => item.id);
  if (event.shiftKey && state.last !== undefined) {
    const [from, to] = [state.last, position].sort((a, b) => a - b);
    ids.slice(from, to + 1).forEach((id) => state.chosen.add(id));
  } else {
    const id = ids[position];
    state.chosen.has(id) ? state.chosen.delete(id) : state.chosen.add(id);
  }
  state.last = position;
  paint(state);
  report(state);
}

function open(state, item) {
  state.dialog.querySelector("img").src = item.large;
  state.dialog.querySelector("img").alt = item.title;
  state.dialog.querySelector("p").textContent = [item.title, item.caption, item.note].filter(Boolean).join("\n");
  state.dialog.showModal();
}

function tileOf(state, item, position) {
  const tile = element("div", "tile");
  const strip = state.data.mode === "strip";
  const face = element(strip ? "div" : "button", "face");
  const frame = element("span", "frame");
  const image = element("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.alt = item.title;
  image.onerror = () => frame.classList.add("broken");
  image.src = item.src;
  frame.append(image);
  if (item.mark) frame.append(element("span", `mark ${item.mark}`, item.mark === "right" ? "✓" : "✗"));
  face.append(frame);
  if (item.caption) {
    const caption = element("span", "caption");
    caption.append(element("b", "", item.caption));
    if (item.note) caption.append(element("span", "", item.note));
    face.append(caption);
  }
  tile.append(face);
  if (strip) return tile;
  face.type = "button";
  face.title = [item.title, item.note].filter(Boolean).join("\n");
  face.onclick = state.selectable ? (event) => choose(state, position, event) : () => open(state, item);
  if (state.selectable) {
    const zoom = element("button", "zoom", "⤢");
    zoom.type = "button";
    zoom.setAttribute("aria-label", `${state.data.words.enlarge}: ${item.title}`);
    zoom.onclick = () => open(state, item);
    tile.append(zoom);
  }
  return tile;
}

function build(state, root) {
  root.replaceChildren();
  root.className = state.data.mode;
  state.tiles = new Map();
  state.counter = undefined;
  const bar = element("div", "bar");
  if (state.selectable) {
    const act = (text, change) => {
      const button = element("button", "", text);
      button.type = "button";
      button.onclick = () => { change(); paint(state); report(state); };
      bar.append(button);
    };
    act(state.data.words.all, () => state.items.forEach((item) => state.chosen.add(item.id)));
    act(state.data.words.none, () => state.chosen.clear());
    state.counter = element("span", "chosen");
    state.counter.setAttribute("role", "status");
    bar.append(state.counter);
  }
  const tiles = element("div", "tiles");
  tiles.setAttribute("role", "group");
  tiles.setAttribute("aria-label", state.data.label);
  if (state.data.tile) tiles.style.setProperty("--tile", `${state.data.tile}px`);
  state.items.forEach((item, position) => {
    const tile = tileOf(state, item, position);
    state.tiles.set(item.id, tile);
    tiles.append(tile);
  });
  state.dialog = element("dialog");
  const shut = element("button", "shut", "✕");
  shut.setAttribute("aria-label", state.data.words.close);
  shut.onclick = () => state.dialog.close();
  state.dialog.append(element("img"), element("p"), shut);
  state.dialog.onclick = (event) => { if (event.target === state.dialog) state.dialog.close(); };
  root.append(bar, tiles, state.dialog);
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector("#grid");
  let state = states.get(root);
  if (!state) states.set(root, (state = { chosen: new Set(), shown: "" }));
  state.send = setStateValue;
  state.data = data;
  state.selectable = data.mode === "select";
  if (state.token !== data.token) {
    state.token = data.token;
    state.chosen.clear();
    state.last = undefined;
  }
  state.items = data.items;
  const shown = JSON.stringify([data.items, data.mode, data.tile]);
  if (shown !== state.shown) {
    state.shown = shown;
    const there = new Set(data.items.map((item) => item.id));
    const gone = [...state.chosen].filter((id) => !there.has(id));
    gone.forEach((id) => state.chosen.delete(id));
    state.last = undefined;  // another page: there is no range to it
    build(state, root);
    if (gone.length) report(state);  // or they would be chosen unseen when their page comes back
  }
  paint(state);
}
