// An accessibility check of our own: names, labels, landmarks, headings, tables, lists, targets, contrast. Not axe, and no more than it says.
() => {
  const found = [];
  const tell = (rule, node) => found.push(`${rule}: ${node.outerHTML.slice(0, 120)}`);
  const seen = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const all = (selector) => [...document.querySelectorAll(selector)];
  const PRESSED = "a[href],button,input:not([type=hidden]),select,textarea,summary";
  const name = (node) => {
    const by = node.getAttribute("aria-labelledby");
    const label = by ? by.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ") : "";
    const labels = [...(node.labels ?? [])].map((one) => one.textContent).join(" ");
    return (node.getAttribute("aria-label") || label || labels || node.textContent || node.getAttribute("title") || "").trim();
  };
  // The document.
  if (!document.documentElement.lang) tell("no language", document.documentElement);
  if (!document.title.trim()) tell("no title", document.head);
  if (/user-scalable\s*=\s*no|maximum-scale\s*=\s*1\b/.test(document.querySelector("meta[name=viewport]")?.content ?? "")) tell("may not be zoomed", document.head);
  if (all("main").length !== 1) tell("not one main", document.body);
  if (all("h1").length !== 1) tell("not one h1", document.body);
  let level = 0;
  for (const heading of all("h1,h2,h3,h4,h5,h6")) {
    if (!seen(heading)) continue;
    const own = Number(heading.tagName[1]);
    if (own > level + 1) tell("heading skips a level", heading);
    if (!heading.textContent.trim()) tell("heading says nothing", heading);
    level = own;
  }
  const ids = new Set();
  for (const node of all("[id]")) {
    if (ids.has(node.id)) tell("id twice", node);
    ids.add(node.id);
  }
  for (const node of all("[lang]")) if (!/^[a-z]{2,3}(-[A-Za-z0-9]+)*$/.test(node.lang)) tell("no such language", node);
  // Names and roles.
  for (const node of all(`${PRESSED},nav,section,[role=region],[role=img],dialog`)) if (seen(node) && !name(node)) tell("no name", node);
  for (const node of all("input:not([type=hidden]):not([type=submit]),select,textarea"))
    if (seen(node) && !node.labels?.length && !node.getAttribute("aria-label") && !node.getAttribute("aria-labelledby")) tell("no label", node);
  for (const node of all("[aria-labelledby],[aria-describedby],[aria-controls]"))
    for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls"])
      for (const id of (node.getAttribute(attribute) ?? "").split(" ").filter(Boolean))
        if (!document.getElementById(id)) tell("names what is not there", node);
  const ROLES = new Set(["region", "img", "alert", "status", "note", "group", "list", "listitem", "presentation", "none", "log", "search"]);
  for (const node of all("[role]")) if (!ROLES.has(node.getAttribute("role"))) tell("unheard of role", node);
  for (const node of all("[aria-hidden=true]")) if (node.matches(PRESSED) || node.querySelector(PRESSED)) tell("hidden, yet reached by keys", node);
  for (const node of all(PRESSED)) if (node.parentElement?.closest("a[href],button,summary")) tell("one inside another", node);
  for (const kind of ["nav", "[role=region]"]) {
    const names = all(kind).filter(seen).map(name);
    if (new Set(names).size !== names.length) tell("two of one name", all(kind)[0]);
  }
  for (const node of all("img")) if (!node.hasAttribute("alt")) tell("no text for a picture", node);
  for (const node of all("svg:not([role=img], [role=group][aria-label])")) if (node.getAttribute("aria-hidden") !== "true") tell("drawing without a name", node);
  // Structure.
  for (const node of all("fieldset")) if (!node.querySelector(":scope > legend")?.textContent.trim()) tell("no legend", node);
  for (const node of all("input[type=radio]")) if (!node.closest("fieldset")) tell("radio in no group", node);
  for (const node of all("th")) if (!node.scope) tell("no scope", node);
  for (const node of all("table")) if (node.rows.length && !node.querySelector("th")) tell("table without heads", node);
  for (const node of all("thead th")) if (!node.textContent.trim()) tell("head says nothing", node);
  for (const node of all("ul,ol")) if ([...node.children].some((child) => child.tagName !== "LI")) tell("not an item", node);
  for (const node of all("li")) if (!node.closest("ul,ol")) tell("item of no list", node);
  for (const node of all("dt,dd")) if (!node.closest("dl")) tell("term of no list", node);
  for (const node of all("details")) if (node.firstElementChild?.tagName !== "SUMMARY") tell("details without summary", node);
  // Keys and fingers.
  for (const node of all("[tabindex]")) if (node.tabIndex > 0) tell("own order of keys", node);
  for (const node of all("*"))
    if (seen(node) && node.scrollWidth > node.clientWidth + 1 && ["auto", "scroll"].includes(getComputedStyle(node).overflowX) && node.tabIndex < 0) tell("scrolls without keys", node);
  for (const node of all("button,select,input:not([type=hidden]):not([type=radio]):not([type=checkbox])")) {
    const box = node.getBoundingClientRect();
    if (seen(node) && (box.height < 24 || box.width < 24)) tell(`too small ${box.width}x${box.height}`, node);
  }
  for (const node of all("p a[href], li a[href], td a[href], dd a[href]"))
    if (seen(node) && !getComputedStyle(node).textDecorationLine.includes("underline")) tell("a link by colour alone", node);
  // Contrast, of text in drawings too.
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
  const contrast = (one, other) => { const [a, b] = [light(one), light(other)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
  for (const node of all("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !seen(node) || node.closest("[disabled],option,dialog:not([open])")) continue;
    const style = getComputedStyle(node), svg = node.closest("svg");
    if (svg && node.tagName !== "text") continue;
    // A number on a mark stands on the mark, all other texts of a drawing on the page.
    const on = svg && svg.matches(".drawing") ? getComputedStyle(svg.querySelector(".mark")).fill : ground(svg ?? node);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(svg ? style.fill : style.color, on);
    if (ratio < (large ? 3 : 4.5)) tell(`contrast ${ratio.toFixed(2)}`, node);
  }
  return found;
}
