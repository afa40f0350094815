// The webcam: while the button is held, a picture is taken every fifth of a second; then all go up as one batch.
const EVERY_MS = 200, LONGEST_PX = 960, SHOWN = 24;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".camera");
  const view = (selector) => root.querySelector(selector);
  const { words } = data;
  const camera = (root.camera ??= { shots: [], busy: false });
  camera.data = data;
  camera.announce = (done) => setTriggerValue("done", done);
  view(".on").textContent = words.on;
  view(".off").textContent = words.off;
  view(".shoot").textContent = words.shoot.replace("{target}", data.shown);
  if (camera.built) return;
  camera.built = true;
  const say = (text) => { view(".words").textContent = text; };
  const show = (on) => { view(".on").hidden = on; view(".off").hidden = view(".shoot").hidden = !on; };
  show(false);
  const stop = () => {
    clearInterval(camera.timer);
    camera.stream?.getTracks().forEach((track) => track.stop());
    camera.timer = undefined;
    camera.stream = view("video").srcObject = null;
    show(false);
  };
  view(".on").onclick = async () => {
    if (!navigator.mediaDevices) return say(camera.data.words.unsafe);
    if (camera.asking || camera.stream) return;
    camera.asking = true;
    try {
      camera.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: LONGEST_PX } } });
    } catch { return say(camera.data.words.refused); }
    finally { camera.asking = false; }
    if (!root.isConnected) return stop();  // the page was left meanwhile
    view("video").srcObject = camera.stream;
    say("");
    show(true);
  };
  view(".off").onclick = stop;
  new MutationObserver(() => { if (!root.isConnected) stop(); }).observe(document.body, { childList: true, subtree: true });

  const shoot = () => {
    const video = view("video");
    if (!video.videoWidth) return;
    const scale = Math.min(1, LONGEST_PX / Math.max(video.videoWidth, video.videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth * scale;
    canvas.height = video.videoHeight * scale;
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const taken = new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
    camera.shots.push(taken);
    say(`${camera.shots.length}`);
    taken.then((blob) => {
      const image = document.createElement("img");
      image.alt = "";
      image.src = URL.createObjectURL(blob);
      image.onload = () => URL.revokeObjectURL(image.src);
      view(".shots").prepend(image);
      [...view(".shots").children].slice(SHOWN).forEach((old) => old.remove());
    });
  };
  const begin = (event) => {
    if (camera.busy || camera.timer || !camera.stream) return;
    event.preventDefault();
    view(".shoot").classList.add("down");
    view(".shoot").setPointerCapture?.(event.pointerId);
    camera.target = camera.data.target;
    shoot();
    camera.timer = setInterval(shoot, EVERY_MS);
  };
  const end = async () => {
    if (!camera.timer) return;
    clearInterval(camera.timer);
    camera.timer = undefined;
    view(".shoot").classList.remove("down");
    camera.busy = true;
    const batch = newBatch();
    const stamp = new Date().toISOString().replace(/[-:T]/g, "").slice(0, 14);
    const blobs = await Promise.all(camera.shots.splice(0));
    const failed = [];
    for (const [at, file] of blobs.entries()) {
      const path = `${camera.data.words.file}-${stamp}-${String(at + 1).padStart(3, "0")}.jpg`;
      const error = await send(`${camera.data.url}?batch=${batch}`, { file, path }, () => {}, new Set());
      if (error) failed.push(error === "offline" ? camera.data.words.offline : error);
    }
    camera.busy = false;
    say(failed[0] ?? camera.data.words.sent.replace("{count}", blobs.length));
    if (failed.length < blobs.length) camera.announce({ batch, target: camera.target });
  };
  const button = view(".shoot");
  button.onpointerdown = begin;
  button.onpointerup = button.onpointercancel = end;
  button.oncontextmenu = (event) => event.preventDefault();
  button.onkeydown = (event) => { if ((event.key === " " || event.key === "Enter") && !event.repeat) begin(event); };
  button.onkeyup = button.onblur = end;
}
