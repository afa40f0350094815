// Files on their way to the server: each is one request, straight to its disk; a batch is imported together.

function newBatch() {
  const random = crypto.getRandomValues(new Uint8Array(16));  // also there without https
  return [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
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
