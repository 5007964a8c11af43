// What a reader with other eyes, other hands or a small screen needs, asked of the rendered page.
// Evaluates to a list of complaints.
(() => {
  const complaints = [];
  const complain = (what, element) =>
    complaints.push(what + ": " + (element.outerHTML || element.textContent).slice(0, 160));

  // ---- contrast (WCAG 2.2, 1.4.3 and 1.4.11) ----
  const parse = (text) => {
    const parts = (text.match(/[\d.]+/g) || []).map(Number);
    return parts.length < 3 ? null : { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour && colour.alpha === 1) return colour.rgb;
    }
    return [255, 255, 255];
  };
  const visible = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && getComputedStyle(element).visibility === "visible";
  };
  const root = getComputedStyle(document.documentElement);
  const weekend = document.querySelector(".weekend");
  const weekendRgb = weekend && parse(getComputedStyle(weekend).fill).rgb;
  let texts = 0, least = 21;
  const measure = (element, colour, grounds, wanted) => {
    for (const under of grounds) {
      const got = contrast(colour, under);
      least = Math.min(least, got);
      if (got < wanted) complain(`contrast ${got.toFixed(2)}, not ${wanted}`, element);
    }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !visible(element) || element.closest("title, desc, .skip")) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    texts++;
    if (size < 11) complain(`text of ${size} px`, element);
    if (element.closest("svg"))
      measure(element, parse(style.fill).rgb, [ground(element.closest("svg")), weekendRgb || ground(element)], 4.5);
    else measure(element, parse(style.color).rgb, [ground(element)], large ? 3 : 4.5);
  }
  for (const shape of document.querySelectorAll(".symbols [class^=m-]")) {
    const style = getComputedStyle(shape), card = ground(document.querySelector("section"));
    const line = style.stroke !== "none" ? style.stroke : style.fill;
    measure(shape, parse(line).rgb, [card, weekendRgb || card], 3);
  }

  // ---- names, order, structure ----
  const name = (element) => {
    const ids = (element.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean);
    const texts = ids.map((id) => document.getElementById(id)).map((other) => other && other.textContent);
    return texts.length ? texts.join(" ") : element.getAttribute("aria-label") || element.textContent;
  };
  for (const element of document.querySelectorAll("a, button, summary, section, [role], progress"))
    if (!name(element).trim()) complain("without a name", element);
  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((each) => Number(each.tagName[1]));
  if (headings[0] !== 1 || headings.filter((level) => level === 1).length !== 1) complaints.push("one h1, first");
  headings.forEach((level, i) => i && level > headings[i - 1] + 1 && complaints.push("a heading level is left out"));
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  if (new Set(ids).size !== ids.length) complaints.push("an id stands twice");
  for (const each of ["main", "header", "footer"])
    if (document.querySelectorAll("body > " + each).length !== 1) complaints.push("not one " + each);
  if (!document.documentElement.lang || !document.title) complaints.push("no lang or title");
  for (const table of document.querySelectorAll("table")) {
    const columns = table.querySelectorAll("thead th[scope=col]").length;
    if (!columns || !table.caption || !table.caption.textContent) complain("a table without headings or caption", table);
    for (const row of table.tBodies[0].rows)
      if (row.cells.length !== columns) complain(`a row of ${row.cells.length} cells under ${columns} headings`, row);
  }
  for (const picture of document.querySelectorAll("svg[role=img]"))
    if (!picture.querySelector("title") || !picture.querySelector("desc")) complain("a picture without words", picture);
  for (const list of document.querySelectorAll("ul, ol"))
    if ([...list.children].some((child) => child.tagName !== "LI")) complain("a list with something else in it", list);

  // ---- the keyboard ----
  for (const box of document.querySelectorAll(".scroll"))
    if (box.tabIndex !== 0 || box.getAttribute("role") !== "region") complain("what scrolls cannot be reached", box);
  if (document.querySelector("[tabindex]:not([tabindex='0']):not([tabindex='-1'])")) complaints.push("a tabindex over 0");
  const skip = document.querySelector("a.skip");
  skip.focus();
  if (skip.getBoundingClientRect().left < 0) complaints.push("the skip link stays out of sight");
  skip.blur();

  // ---- the screen ----
  const width = document.documentElement.clientWidth;
  document.querySelectorAll("details").forEach((each) => (each.open = true));
  if (document.scrollingElement.scrollWidth > screen.width) {
    complaints.push(`the page is ${document.scrollingElement.scrollWidth} wide on a screen of ${screen.width}`);
    for (const element of document.body.querySelectorAll("*"))
      if (element.getBoundingClientRect().right > screen.width + 1 && !element.closest("svg")) complain("too wide", element);
  }
  const hidden = (element) => element.closest("caption, title, desc, .skip") || element.closest(width <= 960 ? "thead" : ".stack thead");
  for (const element of document.body.querySelectorAll(":not(svg, svg *)"))
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline" && !hidden(element))
      complain(`clipped: ${element.scrollWidth} in ${element.clientWidth}`, element);
  const word = document.createRange();
  const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = all.nextNode(); node; node = all.nextNode()) {
    if (hidden(node.parentElement) || node.parentElement.closest("svg, .long, .run")) continue;
    for (const { 0: letters, index } of node.textContent.matchAll(/[\p{L}\p{N}]{2,24}/gu)) {
      if (node.textContent.includes("\\x")) continue; // escapes are no words
      word.setStart(node, index);
      word.setEnd(node, index + letters.length);
      const lines = new Set([...word.getClientRects()].filter((box) => box.width).map((box) => Math.round(box.top)));
      if (lines.size > 1) complaints.push(`broken inside: ${letters} in ${node.textContent.slice(0, 80)}`);
    }
  }
  const lines = {}; // of cards: as many in the last as in the first
  for (const card of document.querySelectorAll(".verdict")) {
    const top = Math.round(card.getBoundingClientRect().top);
    lines[top] = (lines[top] || 0) + 1;
  }
  if (new Set(Object.values(lines)).size > 1) complaints.push(`cards stand ${Object.values(lines).join(" and ")} a line`);
  for (const row of width <= 960 ? document.querySelectorAll("tbody tr") : [])
    for (const cell of row.querySelectorAll("td"))
      if (!cell.dataset.label) complain("a cell without its heading on a narrow screen", cell);
  document.querySelectorAll("details").forEach((each) => (each.open = false));
  if (texts < 10) complaints.push("hardly any text");
  return { complaints: [...new Set(complaints)], texts, least, scheme: root.colorScheme, ground: root.backgroundColor };
})()
