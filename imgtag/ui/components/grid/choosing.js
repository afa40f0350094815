// The thumbnail grid, part 2: choosing with mouse, rubber band, touch and keys.

function click(state, id, event) {
  if (event.shiftKey && state.anchor && state.tiles.has(state.anchor)) chooseRange(state, state.anchor, id);
  else {
    state.chosen.has(id) ? state.chosen.delete(id) : state.chosen.add(id);
    state.anchor = id;
  }
  changed(state);
}

function chooseRange(state, from, to) {
  const ids = state.items.map((item) => item.id);
  const [low, high] = [ids.indexOf(from), ids.indexOf(to)].sort((a, b) => a - b);
  ids.slice(low, high + 1).forEach((id) => state.chosen.add(id));
}

function changed(state) {
  state.note = "";
  paint(state);
}

function chooseAll(state) { state.items.forEach((item) => state.chosen.add(item.id)); changed(state); }
function chooseNone(state) { state.chosen.clear(); changed(state); }
function invert(state) {
  for (const { id } of state.items) state.chosen.has(id) ? state.chosen.delete(id) : state.chosen.add(id);
  changed(state);
}

// What is chosen, in the order of the page: all that a click or a drop is about.
function chosenOnes(state) {
  return state.items.map((item) => item.id).filter((id) => state.chosen.has(id));
}

// What a key is about: what is chosen, else the tile that has the focus.
function subject(state) {
  if (state.chosen.size) return chosenOnes(state);
  const focused = state.root.getRootNode().activeElement;
  return focused?.classList.contains("face") && state.tiles.has(state.focus) ? [state.focus] : [];
}

function moveFocus(state, steps, extend) {
  const ids = state.items.map((item) => item.id);
  if (!ids.length) return;
  const now = Math.max(0, ids.indexOf(state.focus));
  const next = Math.min(ids.length - 1, Math.max(0, now + steps));
  if (extend) {
    if (!state.chosen.size) state.anchor = ids[now];
    chooseRange(state, state.anchor ?? ids[now], ids[next]);
    changed(state);
  }
  const face = state.tiles.get(ids[next]).firstChild;
  face.focus();
  face.scrollIntoView({ block: "nearest" });
}

function columns(state) {
  return getComputedStyle(state.board).gridTemplateColumns.split(" ").length;
}

// A band drawn with the mouse from between the tiles chooses all it touches; with Ctrl or Shift in addition.
function startBand(state, event) {
  if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest(".tile")) return;
  event.preventDefault();
  const area = state.board;
  const adds = event.ctrlKey || event.metaKey || event.shiftKey;
  const before = adds ? new Set(state.chosen) : new Set();
  const at = (e) => {
    const box = area.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  };
  const [x0, y0] = at(event);
  const band = element("div", "band");
  area.append(band);
  area.setPointerCapture(event.pointerId);
  const draw = (e) => {
    const [x, y] = at(e);
    const [left, top, right, bottom] = [Math.min(x, x0), Math.min(y, y0), Math.max(x, x0), Math.max(y, y0)];
    Object.assign(band.style, {
      left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    const box = area.getBoundingClientRect();
    state.chosen = new Set(before);
    for (const [id, tile] of state.tiles) {
      const face = tile.getBoundingClientRect();
      if (face.left - box.left < right && face.right - box.left > left
        && face.top - box.top < bottom && face.bottom - box.top > top) state.chosen.add(id);
    }
    paint(state);
  };
  area.onpointermove = draw;
  area.onpointerup = area.onpointercancel = () => {
    area.onpointermove = area.onpointerup = area.onpointercancel = null;
    band.remove();
    changed(state);
  };
}

// The picture that the mouse points at has the focus, so that a key sorts it without a click.
function pointAt(state, id, event) {
  if (event.pointerType !== "mouse" || event.buttons || state.root.classList.contains("dragging")) return;
  const at = `${event.screenX} ${event.screenY}`;
  if (state.pointed === at) return;  // the page moved under a mouse that rests
  state.pointed = at;
  if (state.focus === id && state.root.getRootNode().activeElement === state.tiles.get(id)?.firstChild) return;
  if (document.activeElement?.closest("input, textarea, select, [contenteditable]")) return;  // somebody is writing
  state.tiles.get(id)?.firstChild.focus({ preventScroll: true });
}

function justArrived(state) { return performance.now() - (state.arrived ?? -1e9) < 400; }

// A proposal that has changed a moment before nobody has read.
function justReworded(state) {
  if (performance.now() - (state.reworded ?? -1e9) > 1000) return false;
  state.note = state.data.words.look_again;
  paint(state);
  return true;
}

const STEPS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (n) => -n, ArrowDown: (n) => n,
  Home: () => -1e9, End: () => 1e9 };

function onKey(state, event) {
  if (event.target.closest("input, dialog, .classes button")) return;
  const key = event.key;
  if ((key === "Enter" || key === " ") && event.target.closest("button:not(.face)")) return;  // that presses it
  const control = event.ctrlKey || event.metaKey;
  const letter = key.length === 1 ? key.toLowerCase() : key;
  let done = true;
  if (state.data.restores && /^.$|^Delete$|^Backspace$/u.test(key) && key !== " " && !(control && "ai".includes(letter))) return;
  if (STEPS[key]) moveFocus(state, STEPS[key](columns(state)), event.shiftKey);
  else if (control && letter === "a") chooseAll(state);
  else if (control && letter === "i") invert(state);
  else if (control && letter === "z" && !event.shiftKey) { if (!event.repeat) act(state, "undo"); }
  else if (control || event.altKey) done = false;
  else if (key === "Escape") { done = state.chosen.size > 0; chooseNone(state); }  // with nothing chosen it is for a dialog around us
  else if (key === " ") openViewer(state, state.focus);
  else if (justArrived(state) && /^(Enter|Delete|Backspace|[0-9])$/.test(key)) done = true;  // nobody has seen these yet
  else if (key === "Enter" && state.data.accepts) { if (!event.repeat && !justReworded(state)) act(state, "accept", acceptable(state)); }
  else if (key === "Enter") state.focus && click(state, state.focus, event);
  else if (event.repeat) done = false;  // a key held down must not sort or trash one picture after the other
  else if (key === "Delete" || key === "Backspace") act(state, "trash", subject(state));
  else if (key === "0" && state.data.keeps) act(state, "keep", subject(state));
  else if (/^[1-9]$/.test(key)) assignNumber(state, Number(key), subject(state));
  else if (key.length === 1 && /[\p{L}\p{N}/]/u.test(key)) openPalette(state, key === "/" ? "" : key);
  else done = false;
  if (!done) return;
  event.preventDefault();
  event.stopPropagation();  // Streamlit has keys of its own, such as R for a rerun
}
