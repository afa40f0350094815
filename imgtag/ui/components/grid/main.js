// The thumbnail grid, part 5: puts the parts together whenever Python sends something.
const states = new WeakMap();

function build(state) {
  const { words, label } = state.data;
  state.root.replaceChildren();
  const { mode, restores, only_classes, whole, quiet } = state.data;
  const kinds = { [mode]: true, restores, "only-classes": only_classes, whole, quiet };
  state.root.className = Object.keys(kinds).filter((kind) => kinds[kind]).join(" ");
  state.tiles = new Map();
  state.board = element("div", "tiles");
  state.board.setAttribute("role", "group");
  state.board.setAttribute("aria-label", label);
  state.viewer = buildViewer(state);
  state.counter = undefined;
  if (state.sorts) {
    const head = element("div", "head");
    state.bar = element("div", "classes");
    state.bar.setAttribute("role", "toolbar");
    state.bar.setAttribute("aria-label", words.move_to);
    const tools = element("div", "bar");
    state.counter = element("span", "chosen");
    state.counter.setAttribute("role", "status");
    const size = element("input", "size");
    Object.assign(size, { type: "range", min: 72, max: 260, value: state.size || state.data.tile });
    size.setAttribute("aria-label", words.size);
    size.oninput = () => { state.size = size.value; layTiles(state); };
    tools.append(
      button("", words.all, () => chooseAll(state)), button("", words.none, () => chooseNone(state)),
      button("", words.invert, () => invert(state)), ...commands(state), size, state.counter);
    head.append(state.bar, tools);
    state.palette = element("dialog", "palette");
    const input = element("input");
    input.setAttribute("aria-label", words.type_class);
    input.placeholder = words.type_class;
    const list = element("ul");
    list.setAttribute("role", "listbox");
    state.palette.append(input, list);
    state.palette.onclick = (event) => { if (event.target === state.palette) state.palette.close(); };
    if (!quiet) state.board.onpointerdown = (event) => startBand(state, event);
    state.root.onkeydown = (event) => onKey(state, event);
    state.root.append(head, state.board, state.palette, state.viewer);
  } else state.root.append(state.board, state.viewer);
}

// What is shown: what Python sent, less what was moved away and is not yet done there.
function refresh(state) {
  for (const [id, seq] of state.leaving) if (seq <= state.applied) state.leaving.delete(id);
  state.items = state.data.items.filter((item) => !state.leaving.has(item.id));
  layTiles(state);
  if (state.sorts) { layClasses(state); rove(state); }
  if (state.awaits && state.items.length) {
    state.awaits = false;
    state.arrived = performance.now();
    if (!document.activeElement?.closest("input, textarea, select")) state.tiles.get(state.focus).firstChild.focus({ preventScroll: true });
  }
  paint(state);
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector("#grid");
  let state = states.get(root);
  if (!state) {
    const random = crypto.getRandomValues(new Uint32Array(2));
    state = { root, chosen: new Set(), leaving: new Map(), fates: new Map(), log: [], seq: 0, sent: 0, window: random.join("-") };
    states.set(root, state);
  }
  state.send = setStateValue;
  state.data = data;
  state.sorts = data.mode === "sort";
  if (state.mode !== data.mode) {
    state.mode = data.mode;
    build(state);
  }
  if (state.token !== data.token) {  // another place or page: nothing of the old one stays chosen unseen
    state.token = data.token;
    state.chosen = new Set(data.preselect ? data.items.map((item) => item.id) : []);
    if (data.preselect) state.note = "";  // the number of those that are chosen is of more use
    state.anchor = undefined;
    state.awaits ||= data.preselect || (data.accepts && !data.keeps);  // a key names the group, or accepts the page, at once
  }
  // Python may not have heard of this log yet, or have forgotten it: what was done is not done again.
  state.applied = Math.max(state.applied ?? 0, data.window === state.window ? data.applied : 0);
  const there = new Set(data.items.map((item) => item.id));
  const gone = [...state.chosen].filter((id) => !there.has(id));
  gone.forEach((id) => state.chosen.delete(id));
  const next = state.viewer?.open ? following(state, [state.viewed]) : undefined;
  refresh(state);
  if (state.viewer.open) keepViewing(state, next);
  if (gone.length) state.note = data.words.gone.replace("{count}", gone.length);
  paint(state);
}
