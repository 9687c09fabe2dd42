// A small accessibility check of our own: names, labels, landmarks, headings, tables, contrast. Not axe, and no more than it says.
() => {
  const found = [];
  const tell = (rule, node) => found.push(`${rule}: ${node.outerHTML.slice(0, 120)}`);
  const seen = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const name = (node) => {
    const by = node.getAttribute("aria-labelledby");
    const label = by ? by.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ") : "";
    const labels = [...(node.labels ?? [])].map((one) => one.textContent).join(" ");
    return (node.getAttribute("aria-label") || label || labels || node.textContent || node.getAttribute("title") || "").trim();
  };
  if (!document.documentElement.lang) tell("no language", document.documentElement);
  if (!document.title.trim()) tell("no title", document.head);
  if (document.querySelectorAll("main").length !== 1) tell("not one main", document.body);
  if (document.querySelectorAll("h1").length !== 1) tell("not one h1", document.body);
  let level = 0;
  for (const heading of document.querySelectorAll("h1,h2,h3,h4")) {
    if (!seen(heading)) continue;
    const own = Number(heading.tagName[1]);
    if (own > level + 1) tell("heading skips a level", heading);
    level = own;
  }
  const ids = new Set();
  for (const node of document.querySelectorAll("[id]")) {
    if (ids.has(node.id)) tell("id twice", node);
    ids.add(node.id);
  }
  for (const node of document.querySelectorAll("a[href],button,input:not([type=hidden]),select,textarea,summary,nav,section,[role=region],[role=img],dialog"))
    if (seen(node) && !name(node)) tell("no name", node);
  for (const node of document.querySelectorAll("[aria-labelledby],[aria-describedby]"))
    for (const id of (node.getAttribute("aria-labelledby") ?? node.getAttribute("aria-describedby")).split(" "))
      if (!document.getElementById(id)) tell("names what is not there", node);
  for (const node of document.querySelectorAll("fieldset")) if (!node.querySelector("legend")) tell("no legend", node);
  for (const node of document.querySelectorAll("th")) if (!node.scope) tell("no scope", node);
  for (const node of document.querySelectorAll("svg:not([role=img])")) if (node.getAttribute("aria-hidden") !== "true") tell("drawing without a name", node);
  for (const node of document.querySelectorAll("[tabindex]")) if (node.tabIndex > 0) tell("own order of keys", node);
  for (const node of document.querySelectorAll("*"))
    if (seen(node) && node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflowX === "auto" && node.tabIndex < 0) tell("scrolls without keys", node);
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).map((one) => { const c = one / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor, parts = numbers(colour);
      if (parts.length === 3 || parts[3] === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !seen(node) || node.closest("svg,[disabled],option")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(style.color), light(ground(node))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) tell(`contrast ${ratio.toFixed(2)}`, node);
  }
  return found;
}
