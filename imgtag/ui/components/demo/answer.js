// The stage of a demo, part 1: what is on it. Bars keep their places and grow from one answer to the next.
const BARS = 5;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function buildBars(list) {
  for (let at = 0; at < BARS; at++) {
    const bar = element("li");
    const track = element("div", "track");
    track.append(element("div", "fill"));
    bar.append(element("span", "name"), element("span", "share"), track);
    list.append(bar);
  }
}

function showAnswer(stage, answer) {
  const { words, view, root } = stage;
  const best = answer.bars[0];
  root.classList.toggle("unknown", answer.unknown);
  root.classList.add("answered");
  const title = answer.unknown ? words.unknown : best.name;
  view("h2").textContent = title;
  const longest = Math.max(...title.split(/[\s-]/).map((word) => word.length));
  view("h2").classList.toggle("long", title.length > 22 || longest > 12);
  view(".sure").textContent = answer.unknown
    ? words.unknown_about.replace("{name}", best.name).replace("{share}", best.shown)
    : words.sure.replace("{share}", best.shown);
  [...view(".bars").children].forEach((bar, at) => {
    const { name = "", shown = "", share = 0 } = answer.bars[at] ?? {};
    bar.classList.toggle("none", !answer.bars[at]);
    bar.querySelector(".name").textContent = name;
    bar.querySelector(".share").textContent = shown;
    bar.querySelector(".fill").style.width = `${100 * share}%`;
  });
}

function showPicture(stage, source, caption) {
  const { view, root } = stage;
  view(".shown").src = source;
  view(".shown").hidden = false;
  view(".glow").style.backgroundImage = `url("${source}")`;
  view(".caption").textContent = caption;
  root.classList.add("pictured");
}

function complain(stage, text) {
  const box = stage.view(".trouble");
  clearTimeout(stage.complaining);
  box.textContent = text;
  box.hidden = !text;
  if (text) stage.complaining = setTimeout(() => { box.hidden = true; }, 9000);
}
