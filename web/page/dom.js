// Elements, made without any HTML of strangers: text is text.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// A shape of ui/icons.py, which page.json carries as SVG
export const icon = (svg) => document.createRange().createContextualFragment(svg);

// "Score: {score} of 100" with elements in the place of names
export const withParts = (text, parts) => text.split(/\{(\w+)\}/).map((part, i) => (i % 2 ? parts[part] : part));
