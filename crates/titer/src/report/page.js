"use strict";
// The contents, from the sections that there are; a link opens the part that it leads to.
const contents = document.querySelector(".contents");
for (const section of document.querySelectorAll("main > section")) {
  const link = document.createElement("a");
  link.href = `#${section.id}`;
  link.textContent = section.querySelector("h2").textContent;
  contents.append(link);
}
const reveal = () => {
  const part = location.hash && document.querySelector(`section[id="${location.hash.slice(1)}"] > .fold`);
  if (part) part.open = true;
};
addEventListener("hashchange", reveal);
contents.addEventListener("click", () => setTimeout(reveal));
reveal();
// Paper has no folds. Tables behind figures stay closed unless the reader has opened them: they go on for dozens of pages.
addEventListener("beforeprint", () => document.querySelectorAll(".fold, .missing").forEach(part => { part.open = true; }));

// A figure as a file of its own: what the style sheet says is written into the drawing, on a light ground, its title above it.
const SAID = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "font-family", "font-size", "color", "text-anchor"];
const alone = drawing => {
  document.documentElement.dataset.theme = "light";
  const copy = drawing.cloneNode(true);
  const [there, here] = [drawing, copy].map(svg => [svg, ...svg.querySelectorAll("*")]);
  there.forEach((element, at) => {
    const style = getComputedStyle(element);
    here[at].setAttribute("style", SAID.map(name => `${name}:${style.getPropertyValue(name)}`).join(";"));
    here[at].removeAttribute("class");
  });
  delete document.documentElement.dataset.theme;
  const [, , width, height] = copy.getAttribute("viewBox").split(" ").map(Number);
  const above = 20, space = ["http", "//www.w3.org/2000/svg"].join(":");
  const add = (name, attributes, text) => {
    const element = document.createElementNS(space, name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.textContent = text;
    copy.prepend(element);
  };
  const title = drawing.closest(".panel").querySelector("h4").textContent.trim();
  add("text", { x: 0, y: -6, style: "font:600 13px system-ui,sans-serif;fill:#1d2126" }, title);
  add("rect", { x: 0, y: -above, width, height: height + above, style: "fill:#ffffff;stroke:none" }, "");
  copy.setAttribute("xmlns", space);
  copy.setAttribute("viewBox", `0 ${-above} ${width} ${height + above}`);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height + above);
  return { text: new XMLSerializer().serializeToString(copy), width, height: height + above };
};
const save = (name, blob) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const asPng = ({ text, width, height }, name) => {
  const image = new Image(), scale = 3;
  image.onload = () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: width * scale, height: height * scale });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(blob => save(name, blob));
  };
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
};
const asCsv = figure => {
  const table = figure.parentElement.querySelector(`#${figure.id} ~ details table`) || document.querySelector("#response details details table");
  const cell = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return table && [...table.rows].map(row => [...row.cells].map(one => cell(one.textContent.trim())).join(",")).join("\n");
};
for (const panel of document.querySelectorAll(".figure .panel")) {
  const figure = panel.closest(".figure"), bar = document.createElement("div");
  bar.className = "save";
  const name = `${figure.id}-${panel.querySelector("h4").textContent.trim()}`.replace(/[^\p{L}\p{N}]+/gu, "-").toLowerCase();
  const shown = () => [...panel.querySelectorAll(".drawing")].find(drawing => drawing.offsetWidth > 0).querySelector("svg");
  const button = (label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.setAttribute("aria-label", `Save this figure as ${label}`);
    made.addEventListener("click", act);
    bar.append(made);
  };
  button("SVG", () => save(`${name}.svg`, new Blob([alone(shown()).text], { type: "image/svg+xml" })));
  button("PNG", () => asPng(alone(shown()), `${name}.png`));
  button("CSV", () => save(`${figure.id}.csv`, new Blob([asCsv(figure) ?? ""], { type: "text/csv" })));
  panel.append(bar);
}
