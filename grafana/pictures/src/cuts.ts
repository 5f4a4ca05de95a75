// Text that a panel has no room for: each as a line that names the panel. A picture cannot be scrolled.
const ROUNDED = 1; // pixels

export function cuts(root: HTMLElement): string[] {
  const found: string[] = [];
  for (const panel of root.querySelectorAll<HTMLElement>('[data-panel]')) {
    for (const part of panel.querySelectorAll<HTMLElement>('*')) {
      const { overflowX, overflowY, textOverflow } = getComputedStyle(part);
      const wide = (scrolls(overflowX) || textOverflow === 'ellipsis') && part.scrollWidth > part.clientWidth + ROUNDED;
      const tall = scrolls(overflowY) && part.scrollHeight > part.clientHeight + ROUNDED;
      if ((wide || tall) && part.innerText.trim()) {
        const text = part.innerText.replace(/Series color|\s+/g, ' ').trim().slice(0, 60);
        found.push(`cut ${wide ? 'at its side' : 'below'}: ${panel.dataset['panel']}: ${text}`);
      }
    }
  }
  return [...new Set(found)];
}

function scrolls(overflow: string): boolean {
  return overflow === 'auto' || overflow === 'scroll';
}
