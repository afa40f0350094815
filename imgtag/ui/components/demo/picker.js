// Choosing examples: a click takes a picture in or out; the number on it is its place in the demo.
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".picker");
  root.setAttribute("aria-label", data.label);
  let chosen = data.chosen;
  const buttons = new Map();
  const paint = () => {
    root.classList.toggle("full", chosen.length >= data.most);
    for (const [id, button] of buttons) {
      const place = chosen.indexOf(id);
      button.setAttribute("aria-pressed", place >= 0);
      button.querySelector("b").textContent = place + 1;
    }
  };
  const known = new Map([...root.children].map((button) => [button.dataset.id, button]));
  root.replaceChildren(...data.items.map((item) => {
    let button = known.get(item.id);
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.dataset.id = item.id;
      const image = document.createElement("img");
      Object.assign(image, { src: item.src, alt: "", loading: "lazy" });
      const [label, place] = [document.createElement("span"), document.createElement("b")];
      label.textContent = label.title = item.label;
      label.className = item.right ? "" : "wrong";
      button.append(image, place, label);
    }
    button.onclick = () => {
      if (chosen.includes(item.id)) chosen = chosen.filter((id) => id !== item.id);
      else if (chosen.length < data.most) chosen = [...chosen, item.id];
      else return;
      paint();
      setStateValue("chosen", chosen);
    };
    buttons.set(item.id, button);
    return button;
  }));
  paint();
}
