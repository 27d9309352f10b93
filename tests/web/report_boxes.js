// What is cut or covered on a page, as sentences; nothing where all of it can be read.
({ svgs, scrolls }) => {
  const faults = [];
  const root = document.documentElement;
  const near = 1.5; // a hair of rounding, and no letter
  const name = (element) => `${element.tagName.toLowerCase()} "${element.textContent.trim().slice(0, 40)}"`;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} px wide of ${root.clientWidth}`);
  const clips = (element) => {
    const style = getComputedStyle(element);
    // What scrolls can be read by whoever scrolls; on paper nobody can.
    return ["hidden", "clip", ...(scrolls ? [] : ["auto", "scroll"])].includes(style.overflowX);
  };
  const scrolled = (element) => {
    for (let up = element; up; up = up.parentElement)
      if (scrolls && ["auto", "scroll"].includes(getComputedStyle(up).overflowX)) return true;
    return false;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const parent = text.parentElement;
    if (!text.data.trim() || parent.closest("svg, style, script")) continue;
    // What is folded takes no part, though it has boxes.
    if (!parent.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const box of range.getClientRects()) {
      if (!box.width) continue;
      seen += 1;
      if (!scrolled(parent) && (box.left < -near || box.right > root.clientWidth + near))
        faults.push(`${name(parent)} ends at ${box.left} … ${box.right} of ${root.clientWidth}`);
      for (let up = parent; up && up !== document.body; up = up.parentElement) {
        const edge = up.getBoundingClientRect();
        if (clips(up) && (box.left < edge.left - near || box.right > edge.right + near))
          faults.push(`${name(parent)} is cut by ${up.tagName} ${up.className}`);
      }
      const cell = parent.closest("td, th, dd, dt");
      if (cell) {
        const edge = cell.getBoundingClientRect();
        if (box.left < edge.left - near || box.right > edge.right + near)
          faults.push(`${name(cell)} is wider than its cell`);
      }
    }
  }
  for (const svg of document.querySelectorAll(svgs)) {
    const edge = svg.getBoundingClientRect();
    const labels = [...svg.querySelectorAll("text")].filter((label) => label.textContent.trim());
    const boxes = labels.map((label) => label.getBoundingClientRect());
    seen += boxes.length;
    boxes.forEach((box, i) => {
      if (box.left < edge.left - near || box.right > edge.right + near || box.top < edge.top - near || box.bottom > edge.bottom + near)
        faults.push(`${name(labels[i])} leaves its chart`);
      boxes.slice(i + 1).forEach((other, j) => {
        const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        if (wide > near && high > near) faults.push(`${name(labels[i])} covers ${name(labels[i + 1 + j])}`);
      });
    });
  }
  return { faults, seen };
}
