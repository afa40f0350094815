// The stage of a demo, part 3: examples, own pictures, and the conversation with the demo's server.

async function ask(stage, path, options = {}) {
  const headers = { [stage.header]: "1" };
  const response = await fetch(`/demo/${path}`, { ...options, headers }).catch(() => undefined);
  if (response?.status === 401 && stage.ticket) {  // somebody who has logged in: the ticket becomes a pass, once
    const body = JSON.stringify({ ticket: stage.ticket });
    stage.ticket = "";
    const entered = await fetch("/demo/enter", { method: "POST", headers, body }).catch(() => undefined);
    if (entered?.ok) return ask(stage, path, options);
  }
  if (response?.status === 401) location.reload();  // the pass has run out: back to the door
  const told = await response?.json().catch(() => undefined);
  if (!told || !response.ok) throw new Error(told?.error ?? stage.words.ended);
  return told;
}

async function open(stage) {
  const { view, words, root } = stage;
  let told;
  do {
    if (told) await new Promise((done) => setTimeout(done, 700));
    told = await ask(stage, "show");
    view("h1").textContent = document.title = told.title;
    view(".sentence").textContent = told.sentence;
    view(".busy span").textContent = told.ready ? words.looking : words.loading;
  } while (!told.ready);
  view(".facts").textContent = told.facts;
  stage.examples = told.examples;
  root.classList.toggle("empty", !told.examples.length);
  view(".examples ul").replaceChildren(...told.examples.map((example, at) => {
    const [item, button, image] = [element("li"), element("button"), element("img")];
    image.src = `/demo/example/${example.id}`;
    image.alt = "";
    button.setAttribute("aria-label", `${words.example} ${at + 1}`);
    button.onclick = () => choose(stage, at);
    button.append(image);
    item.append(button);
    return item;
  }));
  root.classList.remove("loading");
  if (told.examples.length && !stage.asked) choose(stage, 0);
}

function choose(stage, at) {
  const example = stage.examples?.[at];
  if (!example) return;
  stage.stopCamera();
  stage.asked = (stage.asked ?? 0) + 1;  // an answer that is under way comes too late
  stage.root.classList.remove("looking");
  mark(stage, at);
  complain(stage, "");
  showPicture(stage, `/demo/example/${example.id}?size=large`, stage.words.truth.replace("{name}", example.truth));
  showAnswer(stage, example.answer);
}

function mark(stage, at) {
  stage.at = at;
  [...stage.view(".examples ul").children].forEach((item, place) => {
    const button = item.firstChild;
    button.setAttribute("aria-pressed", place === at);
    if (place === at) item.parentElement.scrollTo({ left: item.offsetLeft - item.parentElement.clientWidth / 2, behavior: "smooth" });
  });
}

async function take(stage, files) {
  const { words, root } = stage;
  const pictures = files.filter((file) => file.type.startsWith("image/"));
  const file = pictures[0] ?? files[0];
  if (!file || root.classList.contains("loading")) return;
  complain(stage, files.length > 1 ? words.one : "");
  if (file.size > stage.most << 20) return complain(stage, words.too_large.replace("{most}", stage.most));
  const number = stage.asked = (stage.asked ?? 0) + 1;
  root.classList.add("looking");
  try {
    const told = await ask(stage, "classify", { method: "POST", body: file });
    if (number !== stage.asked) return;
    mark(stage, -1);
    showPicture(stage, told.picture, words.own_caption);
    showAnswer(stage, told.answer);
  } catch (error) {
    if (number === stage.asked) complain(stage, error.message);
  }
  if (number === stage.asked) root.classList.remove("looking");
}

// Pictures by drop and paste anywhere on the page; the keys of a clicker go through the examples.
function listen(stage, signal) {
  const { view } = stage;
  const over = (on) => { view(".drop").hidden = !on; };
  const onWindow = (name, act) => window.addEventListener(name, act, { signal });
  onWindow("dragover", (event) => { event.preventDefault(); over(true); });
  onWindow("dragleave", (event) => { if (!event.relatedTarget) over(false); });
  onWindow("drop", (event) => { event.preventDefault(); over(false); take(stage, [...event.dataTransfer.files]); });
  onWindow("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) take(stage, files);
  });
  onWindow("keydown", (event) => {
    const step = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || !stage.examples?.length) return;
    event.preventDefault();
    const count = stage.examples.length;
    choose(stage, stage.at >= 0 ? (stage.at + step + count) % count : 0);
  });
}

// When the server has gone, that is said in our words; when it is back, the page begins anew.
function watchServer(stage) {
  const ended = stage.view(".ended");
  let silent = 0;
  const look = async () => {
    const there = await fetch("/_stcore/health", { cache: "no-store", signal: AbortSignal.timeout(2500) }).then((r) => r.ok, () => false);
    if (there && !ended.hidden) return location.reload();
    silent = there ? 0 : silent + 1;
    if (silent >= 2) { ended.hidden = false; stage.stopCamera(); }
  };
  return setInterval(look, 2000);
}

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".stage");
  if (root.built) return;
  root.built = true;
  const { words, header, ticket, most_mb: most } = data;
  const stage = { root, words, header, ticket, most, view: (selector) => root.querySelector(selector) };
  const texts = {
    ".invite strong": words.invite, ".invite span": words.invite_about, ".examples p": words.examples, ".choose": words.own,
    "button.camera": words.camera, ".shoot": words.shoot, ".cancel": words.cancel, ".hint": words.hint,
    ".axis": words.axis, ".ended strong": words.over, ".ended span": words.over_about, ".drop strong": words.drop, ".busy span": words.loading };
  for (const [selector, text] of Object.entries(texts)) stage.view(selector).textContent = text;
  buildBars(stage.view(".bars"));
  offerCamera(stage, (files) => take(stage, files));
  stage.view(".choose").onclick = () => stage.view(".file").click();
  stage.view(".file").onchange = (event) => { take(stage, [...event.target.files]); event.target.value = ""; };
  const full = stage.view(".full");
  full.hidden = !document.fullscreenEnabled;
  full.setAttribute("aria-label", words.full);
  full.title = words.full;
  full.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  const leaving = new AbortController();
  listen(stage, leaving.signal);
  const watching = watchServer(stage);
  open(stage).catch((error) => complain(stage, error.message));
  return () => { clearInterval(watching); leaving.abort(); stage.stopCamera(); root.built = false; };
}
