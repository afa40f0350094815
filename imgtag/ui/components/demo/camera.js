// The stage of a demo, part 2: a photo. A phone's own camera program is better than a video in a page, and works
// without https; on a computer the video stands where the picture will be.

function offerCamera(stage, take) {
  const { view, words } = stage;
  const phone = matchMedia("(pointer: coarse)").matches;
  const button = view("button.camera");
  button.hidden = !phone && !navigator.mediaDevices;
  view(".photo").onchange = (event) => { take([...event.target.files]); event.target.value = ""; };
  const video = view("video");
  const show = (on) => {
    video.hidden = view(".shooting").hidden = !on;
    stage.root.classList.toggle("filming", on);
  };
  const stop = () => {
    stage.stream?.getTracks().forEach((track) => track.stop());
    stage.stream = video.srcObject = null;
    show(false);
  };
  stage.stopCamera = stop;
  button.onclick = async () => {
    if (phone) return view(".photo").click();
    if (stage.stream) return stop();
    if (stage.asking) return;
    stage.asking = true;
    try {
      stage.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
    } catch { return complain(stage, words.refused); }
    finally { stage.asking = false; }
    video.srcObject = stage.stream;
    video.play();
    show(true);
  };
  view(".cancel").onclick = stop;
  view(".shoot").onclick = () => {
    if (!video.videoWidth) return;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    stop();
    canvas.toBlob((photo) => take([photo]), "image/jpeg", 0.92);
  };
}
