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

function send(url, item, onBytes, requests) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    requests.add(request);
    const finish = (error) => { requests.delete(request); done(error); };
    request.upload.onprogress = (event) => onBytes(event.loaded);
    request.onload = () => {
      if (request.status < 300) return finish(null);
      let text = `HTTP ${request.status}`;
      try {
        const error = JSON.parse(request.responseText).error;
        text = [error.title, error.explanation].join(" ");
      } catch { /* the answer was no JSON: the status has to do */ }
      finish(text);
    };
    request.onerror = () => finish("offline");
    request.onabort = () => finish("cancelled");
    request.open("PUT", `${url}&path=${encodeURIComponent(item.path)}`);
    request.setRequestHeader("X-Imgtag-Upload", "1");
    request.send(item.file);
  });
}

async function upload(items, view, data, announce) {
  if (!items.length || view(".drop").classList.contains("busy")) return;  // one after the other
  const random = crypto.getRandomValues(new Uint8Array(16));  // also there without https
  const batch = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
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
}
