// Makes and fills elements. Text goes in as text alone: names come from strangers, and nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An HTML element; children are nodes or texts. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export const byId = (id) => document.getElementById(id);

/** Writes a text only where it differs: untouched nodes cost no layout. */
export function say(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function mark(node, attribute, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(attribute);
  else if (node.getAttribute(attribute) !== String(value)) node.setAttribute(attribute, String(value));
}

/** Keeps one element for each key, in the order of the keys, so that focus and selection survive an update. */
export class Keyed {
  constructor(parent, create) {
    this.parent = parent;
    this.create = create;
    this.parts = new Map();
  }

  show(items, keyOf, update) {
    const kept = new Map();
    let before = this.parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      const part = this.parts.get(key) ?? this.create(item);
      kept.set(key, part);
      this.parts.delete(key);
      update(part, item);
      if (part.root === before) before = before.nextElementSibling;
      else this.parent.insertBefore(part.root, before);
    }
    for (const part of this.parts.values()) part.root.remove();
    this.parts = kept;
  }
}
