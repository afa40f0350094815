// The thumbnail grid, part 4: the large view, with zoom, the next and previous picture, and the file's facts.

function openViewer(state, id) {
  if (!state.tiles.has(id)) return;
  state.viewed = id;
  show(state);
  if (!state.viewer.open) state.viewer.showModal();
  state.viewer.focus();  // or the first button would have it, and Space would press that
}

function show(state) {
  const item = describe(state);
  const image = state.viewer.querySelector("img");
  state.zoom = { scale: 1, x: 0, y: 0 };
  placeImage(state);
  image.src = item.large;
  image.alt = item.title;
  const facts = state.viewer.querySelector(".facts");
  facts.textContent = "";
  if (item.facts) fetch(item.facts).then((answer) => (answer.ok ? answer.json() : null)).then((found) => {
    if (found && state.viewed === item.id) facts.textContent = found.words;
  }).catch(() => {});  // without the facts, the picture is still there
}

// The words about the picture, and its place among the others, which may change while it is looked at.
function describe(state) {
  const item = state.items.find((i) => i.id === state.viewed);
  const at = state.items.indexOf(item);
  state.viewer.querySelector(".words").textContent = [item.title, item.caption, item.note].filter(Boolean).join("\n");
  state.viewer.querySelector(".position").textContent = `${at + 1} / ${state.items.length}`;
  state.viewer.querySelector(".previous").disabled = at === 0;
  state.viewer.querySelector(".next").disabled = at === state.items.length - 1;
  return item;
}

function step(state, by) {
  const ids = state.items.map((item) => item.id);
  const next = ids[ids.indexOf(state.viewed) + by];
  if (!next) return;
  state.viewed = state.focus = next;
  rove(state);
  show(state);
}

function placeImage(state) {
  const { scale, x, y } = state.zoom;
  const image = state.viewer.querySelector("img");
  image.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
  image.style.cursor = scale === 1 ? "zoom-in" : "grab";
}

function zoomBy(state, factor) {
  const scale = Math.min(8, Math.max(1, state.zoom.scale * factor));
  const share = scale === 1 ? 0 : scale / state.zoom.scale;
  state.zoom = { scale, x: state.zoom.x * share, y: state.zoom.y * share };
  placeImage(state);
}

// A command in the large view is about the picture that is shown; then comes the next one, until none is left.
function inViewer(state, run) {
  const next = following(state, [state.viewed]);
  run([state.viewed]);
  keepViewing(state, next);
}

function keepViewing(state, next) {
  if (state.tiles.has(state.viewed)) describe(state);
  else if (next && state.tiles.has(next)) { state.viewed = state.focus = next; show(state); }
  else state.viewer.close();
}

const VIEWER_KEYS = {
  ArrowRight: (state) => step(state, 1), ArrowDown: (state) => step(state, 1),
  ArrowLeft: (state) => step(state, -1), ArrowUp: (state) => step(state, -1),
  " ": (state) => state.viewer.close(),
  "+": (state) => zoomBy(state, 1.5), "=": (state) => zoomBy(state, 1.5), "-": (state) => zoomBy(state, 1 / 1.5),
};

function viewerKey(state, event) {
  const key = event.key;
  const control = event.ctrlKey || event.metaKey;
  event.stopPropagation();
  if (event.target.closest("button") && (key === " " || key === "Enter")) return;  // that presses it
  let done = true;
  if (VIEWER_KEYS[key] && !control) VIEWER_KEYS[key](state);
  else if (!state.sorts || event.altKey) done = false;
  else if (control && key.toLowerCase() === "z" && !event.shiftKey) { if (!event.repeat) act(state, "undo"); }
  else if (control || event.repeat) done = false;
  else if (/^[1-9]$/.test(key)) inViewer(state, (ids) => assignNumber(state, Number(key), ids));
  else if (key === "Delete" || key === "Backspace") inViewer(state, (ids) => act(state, "trash", ids));
  else if (key === "Enter" && state.data.accepts) inViewer(state, (ids) => act(state, "accept", ids));
  else if (key.length === 1 && /[\p{L}/]/u.test(key)) openPalette(state, key === "/" ? "" : key, (run) => inViewer(state, run));
  else done = false;
  if (done) event.preventDefault();
}

function buildViewer(state) {
  const { words } = state.data;
  const viewer = element("dialog", "viewer");
  viewer.tabIndex = -1;
  const stage = element("div", "stage");
  const image = element("img");
  image.draggable = false;
  stage.append(image);
  stage.onwheel = (event) => { event.preventDefault(); zoomBy(state, event.deltaY < 0 ? 1.2 : 1 / 1.2); };
  image.ondblclick = () => zoomBy(state, state.zoom.scale === 1 ? 2.5 : 1 / 8);
  image.onpointerdown = (event) => {
    if (state.zoom.scale === 1) return;
    image.setPointerCapture(event.pointerId);
    let [x, y] = [event.clientX, event.clientY];
    image.onpointermove = (e) => {
      state.zoom.x += e.clientX - x;
      state.zoom.y += e.clientY - y;
      [x, y] = [e.clientX, e.clientY];
      placeImage(state);
    };
    image.onpointerup = image.onpointercancel = () => { image.onpointermove = null; };
  };
  const foot = element("div", "foot");
  const text = element("div", "text");
  text.append(element("p", "words"), element("p", "facts"));
  const tools = element("div", "tools");
  tools.append(
    button("previous", "‹", () => step(state, -1), words.previous), element("span", "position"),
    button("next", "›", () => step(state, 1), words.next),
    button("", "−", () => zoomBy(state, 1 / 1.5), words.smaller), button("", "+", () => zoomBy(state, 1.5), words.larger));
  foot.append(text, tools);
  if (state.sorts) viewer.append(element("div", "classes"));
  viewer.append(stage, foot, button("shut", "✕", () => viewer.close(), words.close));
  viewer.onclick = (event) => { if (event.target === viewer || event.target === stage) viewer.close(); };
  viewer.onkeydown = (event) => viewerKey(state, event);
  viewer.onclose = () => state.tiles.get(state.viewed)?.firstChild.focus?.();
  return viewer;
}
