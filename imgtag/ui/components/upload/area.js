// The upload: files, folders and zips go one by one straight to the disk of the server (four at a time),
// never through Streamlit's memory. When all are there, Python is told the number of the batch.
const PARALLEL = 4;

const megabytes = (bytes) => (bytes / 1048576).toLocaleString("en", { maximumFractionDigits: bytes < 1e7 ? 1 : 0 });

async function entriesOf(entry, path) {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    return [{ file, path: path + entry.name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) break;
    for (const inner of some) found.push(...(await entriesOf(inner, `${path}${entry.name}/`)));
  }
  return found;
}

async function upload(items, view, data, announce) {
  if (!items.length || view(".drop").classList.contains("busy")) return;  // one after the other
  const batch = newBatch();
  const url = `${data.url}?batch=${batch}`;
  const total = items.reduce((sum, item) => sum + item.file.size, 0);
  const began = performance.now();
  const moving = new Map();
  const requests = new Set();
  const failed = [];
  let finishedBytes = 0, finished = 0, next = 0, cancelled = false;
  view(".drop").classList.add("busy");
  view(".failed").textContent = "";
  view(".about").textContent = data.words.stay;
  view(".cancel").onclick = () => { cancelled = true; requests.forEach((request) => request.abort()); };
  const show = (name) => {
    const bytes = finishedBytes + [...moving.values()].reduce((a, b) => a + b, 0);
    const seconds = (performance.now() - began) / 1000;
    const left = bytes && seconds > 2 ? Math.ceil((seconds / bytes) * (total - bytes)) : 0;
    view(".counts").textContent =
      `${data.words.uploading} ${Math.min(finished + 1, items.length)} / ${items.length}  ·  ${megabytes(bytes)} / ${megabytes(total)} MB`;
    view(".left").textContent = left > 1 ? `${left} s` : "";
    view(".fill").style.width = `${total ? (100 * bytes) / total : 100}%`;
    if (name) view(".name").textContent = name;
  };
  const worker = async () => {
    while (next < items.length && !cancelled) {
      const item = items[next++];
      show(item.path);
      const error = await send(url, item, (bytes) => { moving.set(item, bytes); show(); }, requests);
      moving.delete(item);
      finished += 1;
      finishedBytes += item.file.size;
      if (error === "offline") { cancelled = true; view(".failed").textContent = data.words.offline; }
      else if (error && error !== "cancelled") failed.push(`${item.path}: ${error}`);
      show();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  view(".drop").classList.remove("busy");
  view(".about").textContent = data.words.about;
  if (failed.length) view(".failed").textContent = failed.slice(0, 3).join(" · ");
  if (finished > failed.length && !(cancelled && finished < items.length && view(".failed").textContent))
    announce({ batch, files: finished - failed.length, failed, cancelled });
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const view = (selector) => parentElement.querySelector(selector);
  const words = data.words;
  view(".drop").classList.toggle("slim", data.slim);
  view(".title").textContent = words.title;
  if (!view(".drop").classList.contains("busy")) view(".about").textContent = words.about;
  view(".files").textContent = words.files;
  view(".folder").textContent = words.folder;
  view(".cancel").textContent = words.cancel;
  const announce = (done) => setTriggerValue("done", done);
  const start = (items) => upload(items, view, data, announce);
  const picked = (input) => {
    const items = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
    input.value = "";
    start(items);
  };
  view(".files").onclick = () => view(".pick-files").click();
  view(".folder").onclick = () => view(".pick-folder").click();
  view(".pick-files").onchange = (event) => picked(event.target);
  view(".pick-folder").onchange = (event) => picked(event.target);
  const drop = view(".drop");
  drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    const found = [];
    for (const entry of entries) found.push(...(await entriesOf(entry, "")));
    start(found);
  };
  pasteHere(drop, start, words.pasted);
}

// Pictures from the clipboard, wherever on the page they are pasted, unless somebody is writing.
function pasteHere(drop, start, name) {
  drop.paste?.abort();
  drop.paste = new AbortController();
  document.addEventListener("paste", (event) => {
    if (!drop.isConnected) return drop.paste.abort();
    if (event.target.closest?.("input, textarea, [contenteditable]")) return;
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    const stamp = new Date().toISOString().replace(/[-:T]/g, "").slice(0, 14);
    const ending = (file) => file.type.slice(6).replace("jpeg", "jpg").replace("svg+xml", "svg");
    start(files.map((file, at) => ({ file, path: `${name}-${stamp}-${at + 1}.${ending(file)}` })));
  }, { signal: drop.paste.signal });
}
