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

// What a panel shows, from the section down to itself, without the words that specs use for it.
const heads = panel => {
  const own = head => [...(head?.childNodes ?? [])].filter(part => part.nodeName !== "CODE").map(part => part.textContent).join("").replace(/\s+/g, " ").trim();
  const above = panel.closest("section, header").querySelector("h2"), row = panel.parentElement.previousElementSibling;
  const found = [above, row?.nodeName === "H3" ? row : null, panel.querySelector("h4")].map(own);
  return found.filter((head, at) => head && found.indexOf(head) === at);
};
// Text in lines of this width, in the font of titles; a word that is longer than a line is broken.
const TITLE = "600 13px system-ui,sans-serif";
const broken = (text, width) => {
  const pen = document.createElement("canvas").getContext("2d"), lines = [""];
  pen.font = TITLE;
  const fits = line => pen.measureText(line).width <= width;
  for (const word of text.split(" ")) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (fits(longer)) { lines[lines.length - 1] = longer; continue; }
    if (lines.at(-1)) lines.push("");
    for (const letter of word) {
      if (!fits(lines.at(-1) + letter)) lines.push("");
      lines[lines.length - 1] += letter;
    }
  }
  return lines;
};
// A figure as a file of its own: what the style sheet says is written into the drawing, on a light ground, its title above it.
const SAID = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "font-family", "font-size", "color", "text-anchor"];
const alone = (drawing, title) => {
  document.documentElement.dataset.theme = "light";
  const copy = drawing.cloneNode(true);
  const [there, here] = [drawing, copy].map(svg => [svg, ...svg.querySelectorAll("*")]);
  there.forEach((element, at) => {
    const style = getComputedStyle(element);
    here[at].setAttribute("style", SAID.map(name => `${name}:${style.getPropertyValue(name)}`).join(";"));
    here[at].removeAttribute("class");
  });
  delete document.documentElement.dataset.theme;
  // As wide as what is drawn: letters may be wider here than where the drawing was laid out.
  const [, , plotted, high] = copy.getAttribute("viewBox").split(" ").map(Number), box = drawing.getBBox();
  const left = Math.floor(Math.min(0, box.x)), width = Math.ceil(Math.max(plotted, box.x + box.width + 2)) - left;
  const height = Math.ceil(Math.max(high, box.y + box.height + 2));
  const lines = broken(title, width - 2), above = 17 * lines.length + 6, space = ["http", "//www.w3.org/2000/svg"].join(":");
  const add = (name, attributes, text) => {
    const element = document.createElementNS(space, name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.textContent = text;
    copy.prepend(element);
  };
  lines.forEach((line, at) => add("text", { x: left, y: 14 + 17 * at - above, style: `font:${TITLE};fill:#1d2126` }, line));
  add("rect", { x: left, y: -above, width, height: height + above, style: "fill:#ffffff;stroke:none" }, "");
  add("title", {}, title);
  copy.setAttribute("xmlns", space);
  copy.setAttribute("viewBox", `${left} ${-above} ${width} ${height + above}`);
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
  // What keeps directions apart on the page is no part of a name.
  const plain = cell => cell.textContent.replace(/[\u2066-\u2069]/g, "").trim();
  const cell = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return table && [...table.rows].map(row => [...row.cells].map(one => cell(plain(one))).join(",")).join("\n");
};
const taken = new Set();
for (const panel of document.querySelectorAll(".figure .panel")) {
  const figure = panel.closest(".figure"), bar = document.createElement("div"), title = heads(panel).join(": ");
  bar.className = "save";
  // Long names are cut, and no two figures have one name.
  const begin = [...title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").toLowerCase()].slice(0, 60).join("");
  let name = begin;
  for (let at = 2; taken.has(name); at++) name = `${begin}-${at}`;
  taken.add(name);
  const shown = () => [...panel.querySelectorAll(".drawing")].find(drawing => drawing.offsetWidth > 0).querySelector("svg");
  // Of a figure that can show several measures, the one that it shows.
  const chosen = () => {
    const choice = figure.querySelector(".choices input:checked");
    return choice ? `-${choice.id.slice(choice.name.length + 1)}` : "";
  };
  const button = (label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.setAttribute("aria-label", `Save as ${label}: ${title}`);
    made.addEventListener("click", act);
    bar.append(made);
  };
  button("SVG", () => save(`${name}${chosen()}.svg`, new Blob([alone(shown(), title).text], { type: "image/svg+xml" })));
  button("PNG", () => asPng(alone(shown(), title), `${name}${chosen()}.png`));
  button("CSV", () => save(`${figure.id}.csv`, new Blob([asCsv(figure) ?? ""], { type: "text/csv" })));
  panel.append(bar);
}
