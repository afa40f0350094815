// The camera, live: one small frame after the other goes to the REST route of this app, and what comes back is drawn.
// The next frame is taken when the last one is answered, so that a slow machine answers less often but never late.
const FRAME_PX = 320, KEPT_PX = 960, SHOWN = 5, ROW_REM = 2.9, INERTIA = 0.55, RATE_OVER_MS = 3000;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".live");
  const live = (root.live ??= { chances: new Map(), rows: new Map(), answered: [], doubt: 0 });
  live.data = data;
  live.announce = (batch) => setTriggerValue("done", { batch });
  live.view = (selector) => root.querySelector(selector);
  for (const name of ["on", "use", "stop"]) live.view(`.${name}`).textContent = data.words[name];
  showState(live);
  if (live.built) return;
  live.built = true;
  live.root = root;
  live.view(".about").textContent = navigator.mediaDevices ? data.words.about : data.words.unsafe;
  live.view(".on").hidden = !navigator.mediaDevices;
  live.view(".on").onclick = () => switchOn(live);
  live.view(".stop").onclick = () => switchOff(live, live.data.words.about);
  live.view(".freeze").onclick = () => freeze(live, !live.frozen);
  live.view(".use").onclick = () => use(live);
  const hidden = new AbortController();
  document.addEventListener("visibilitychange", () => {
    if (!root.isConnected) hidden.abort();
    else if (document.hidden && live.stream) switchOff(live, live.data.words.hidden);
  }, { signal: hidden.signal });
  const left = new MutationObserver(() => {
    if (root.isConnected) return;
    switchOff(live, "");
    left.disconnect();
    hidden.abort();
  });
  left.observe(document.body, { childList: true, subtree: true });
}

async function switchOn(live) {
  if (live.asking || live.stream) return;
  live.asking = true;
  try {
    live.stream = await navigator.mediaDevices.getUserMedia(
      { video: { width: { ideal: KEPT_PX }, frameRate: { ideal: 24 }, facingMode: { ideal: "environment" } } });
  } catch { live.view(".about").textContent = live.data.words.refused; }
  finally { live.asking = false; }
  if (!live.stream) return;
  if (!live.root.isConnected || document.hidden) return switchOff(live, live.data.words.hidden);
  const video = live.view("video");
  video.srcObject = live.stream;
  const [track] = live.stream.getVideoTracks();
  video.classList.toggle("mirrored", track.getSettings().facingMode !== "environment");
  track.onended = () => switchOff(live, live.data.words.refused);  // unplugged, or taken away beside the address
  live.turn = {};
  showState(live);
  run(live, live.turn);
}

function switchOff(live, about) {
  live.stream?.getTracks().forEach((track) => track.stop());
  live.stream = live.view("video").srcObject = null;
  live.turn = undefined;
  live.frozen = false;
  live.chances.clear();
  live.answered = [];
  live.doubt = 0;
  live.view(".about").textContent = about;
  live.view(".words").textContent = "";
  showState(live);
  draw(live);
}

function showState(live) {
  const on = Boolean(live.stream);
  live.view(".off").hidden = on;
  live.view("video").hidden = !on;
  live.view(".buttons").hidden = !on;
  live.view(".freeze").textContent = live.frozen ? live.data.words.go_on : live.data.words.freeze;
  live.view(".freeze").setAttribute("aria-pressed", Boolean(live.frozen));
}

function freeze(live, frozen) {
  if (!live.stream) return;
  live.frozen = frozen;
  const video = live.view("video");
  if (frozen) video.pause();
  else { video.play(); live.turn = {}; run(live, live.turn); }
  live.answered = [];
  showState(live);
  draw(live);
}

const rest = (ms) => new Promise((done) => setTimeout(done, ms));

// One loop at a time: a new turn ends the old one. A frozen picture is asked about once more, so that the bars are its own.
async function run(live, turn) {
  for (;;) {
    const last = Boolean(live.frozen);
    const began = performance.now();
    const blob = await frame(live, FRAME_PX, 0.8);
    if (live.turn !== turn) return;
    if (!blob) { await rest(50); if (live.turn !== turn) return; continue; }
    const answer = await ask(live, blob, last);
    if (live.turn !== turn || !live.root.isConnected) return;
    live.view(".words").textContent = answer.error ?? "";
    if (answer.error) { await rest(1000); if (live.turn !== turn) return; }
    else take(live, answer, last);
    if (last) return;
    await rest(Math.max(0, 30 - (performance.now() - began)));  // thirty a second are enough
  }
}

// While it moves, once is enough; the frozen picture is looked at as any other.
async function ask(live, blob, whole) {
  const form = new FormData();
  form.append("image", blob, "camera.jpg");
  try {
    const answer = await fetch(whole ? live.data.url : `${live.data.url}&views=1`, { method: "POST", body: form });
    const found = await answer.json();
    if (!answer.ok) return { error: [found.error.title, found.error.explanation].join(" ") };
    return found[0].error ? { error: found[0].error } : found[0];
  } catch { return { error: live.data.words.offline }; }
}

function frame(live, longest, quality) {
  const video = live.view("video");
  if (!video.videoWidth) return null;
  const scale = Math.min(1, longest / Math.max(video.videoWidth, video.videoHeight));
  const canvas = (live.canvas ??= document.createElement("canvas"));
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
}

// A single frame may err: what is shown follows the answers with some inertia.
function take(live, answer, whole) {
  const keep = whole || !live.chances.size ? 0 : INERTIA;
  const now = new Map(answer.tags.map((tag) => [tag.class, tag.probability]));
  for (const name of new Set([...live.chances.keys(), ...now.keys()]))
    live.chances.set(name, keep * (live.chances.get(name) ?? 0) + (1 - keep) * (now.get(name) ?? 0));
  live.doubt = keep * live.doubt + (1 - keep) * Number(Boolean(answer.unknown));
  const at = performance.now();
  if (!whole) live.answered = [...live.answered.filter((then) => at - then < RATE_OVER_MS), at];
  draw(live);
}

function draw(live) {
  const { words, names } = live.data;
  const shown = (name) => names[name] ?? name;
  const percent = (chance) => `${(100 * chance).toFixed(chance > 0.9995 ? 0 : 1)} %`;
  const best = [...live.chances].sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
  const unknown = live.doubt > 0.5;
  live.view(".name").classList.toggle("unknown", unknown);
  live.view(".name").textContent = !best.length ? "" : unknown ? words.unknown : shown(best[0][0]);
  live.view(".sure").textContent = !best.length ? ""
    : (unknown ? words.guess : words.sure).replace("{name}", shown(best[0][0])).replace("{percent}", percent(best[0][1]));
  const rows = live.view(".bars");
  rows.style.height = `${best.length * ROW_REM}rem`;
  for (const [name, row] of live.rows) if (!best.some(([b]) => b === name)) { row.remove(); live.rows.delete(name); }
  best.forEach(([name, chance], place) => {
    const row = live.rows.get(name) ?? newRow(live, name, shown(name));
    row.classList.toggle("first", place === 0 && !unknown);
    row.style.transform = `translateY(${place * ROW_REM}rem)`;
    row.querySelector(".label span:last-child").textContent = percent(chance);
    row.querySelector(".fill").style.transform = `scaleX(${chance})`;
  });
  const times = live.answered;
  const rate = times.length > 2 ? (1000 * (times.length - 1)) / (times.at(-1) - times[0]) : 0;
  live.view(".rate").textContent = live.frozen ? words.frozen : rate ? words.rate.replace("{number}", rate.toFixed(1)) : "";
}

function newRow(live, name, shown) {
  const part = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text ?? "" });
  const row = part("div", "bar");
  const label = part("div", "label");
  const track = part("div", "track");
  label.append(part("span", "", shown), part("span", ""));
  track.append(part("div", "fill"));
  row.append(label, track);
  live.view(".bars").append(row);
  live.rows.set(name, row);
  return row;
}

// The frame that is seen now, larger than those that were asked about, goes the way of every upload.
async function use(live) {
  if (!live.stream || live.sending) return;
  live.sending = true;
  live.view(".use").disabled = true;
  const file = await frame(live, KEPT_PX, 0.92);
  const batch = newBatch();
  const stamp = new Date().toISOString().replace(/[-:T]/g, "").slice(0, 14);
  const item = { file, path: `${live.data.words.file}-${stamp}.jpg` };
  const error = file ? await send(`${live.data.upload}?batch=${batch}`, item, () => {}, new Set()) : null;
  live.sending = false;
  live.view(".use").disabled = false;
  if (error) live.view(".words").textContent = error === "offline" ? live.data.words.offline : error;
  else if (file) live.announce(batch);
}
