// The door of a demo: sends the PIN, and loads the page again with the pass that comes back as a cookie.
export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".door");
  const { words, header } = data;
  const view = (selector) => root.querySelector(selector);
  const [form, input, button, trouble] = ["form", "input", "button", ".trouble"].map(view);
  view("h1").textContent = words.title;
  view(".about").textContent = words.about;
  input.setAttribute("aria-label", words.pin);
  input.placeholder = "••••••";
  button.textContent = words.enter;
  if (root.built) return;
  root.built = true;
  input.focus();

  const wait = (seconds) => {
    button.disabled = true;
    trouble.textContent = words.wait.replace("{seconds}", seconds);
    setTimeout(() => {
      if (seconds > 1) return wait(seconds - 1);
      button.disabled = false;
      trouble.textContent = "";
      input.focus();
    }, 1000);
  };
  input.oninput = () => { if (!button.disabled) trouble.textContent = ""; };
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    form.classList.remove("wrong");
    try {
      const options = { method: "POST", headers: { [header]: "1" }, body: JSON.stringify({ pin: input.value }) };
      const response = await fetch("/demo/enter", options);
      if (response.ok) return location.reload();
      const told = await response.json();
      input.value = "";
      form.classList.add("wrong");
      if (told.wait) return wait(told.wait);
      trouble.textContent = told.error;
    } catch { trouble.textContent = words.ended; }
    button.disabled = false;
    input.focus();
  };
}
