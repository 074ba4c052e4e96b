"use strict";
// Making elements.  Text goes in as text, so nothing of a run can become markup.

const SVG = document.createElementNS.bind(document, "http://www.w3.org/2000/svg");

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== ""));
  return node;
}

const html = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(SVG(name), attributes, children);
const byId = (id) => document.getElementById(id);
const line = (x1, y1, x2, y2, kind) => svg("line", { x1, y1, x2, y2, class: kind });
const label = (x, y, text, kind, anchor = "start") => svg("text", { x, y, class: kind, "text-anchor": anchor }, text);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
