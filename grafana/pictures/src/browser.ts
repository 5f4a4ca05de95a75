// A page in the browser that has our script, Grafana's icons and its typeface, all from files; it reaches no network.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { BrowserContext, Page } from 'playwright-core';

// a name that means nobody (RFC 2606): the browser never gets as far as asking for it
const ORIGIN = 'http://pictures.invalid';
const HERE = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const ICONS = join(dirname(require.resolve('@grafana/ui/package.json')), 'dist', 'public', 'img', 'icons');
const LETTERS = join(dirname(require.resolve('@fontsource/inter/package.json')), 'files');
const WEIGHTS: Record<string, string> = { 'Inter-Regular': '400', 'Inter-Medium': '500' };

const PAGE = `<!doctype html><meta charset="utf-8"><title>pictures</title>
<script>window.__grafana_public_path__ = '/public/'</script>
<link rel="stylesheet" href="/page.css"><div id="root"></div><script src="/page.js"></script>`;

export async function open(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await page.route('**/*', async (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === '/') {
      return route.fulfill({ contentType: 'text/html', body: PAGE });
    }
    const file = fileOf(pathname);
    return file !== undefined && existsSync(file) ? route.fulfill({ path: file }) : route.abort();
  });
  await page.goto(`${ORIGIN}/`);
  return page;
}

function fileOf(path: string): string | undefined {
  if (path === '/page.js' || path === '/page.css') {
    return join(HERE, path);
  }
  const icon = /^\/public\/build\/img\/icons\/([\w-]+\/[\w-]+\.svg)$/.exec(path)?.[1];
  if (icon !== undefined) {
    return join(ICONS, icon);
  }
  const weight = WEIGHTS[/^\/public\/fonts\/inter\/([\w-]+)\.woff2$/.exec(path)?.[1] ?? ''];
  return weight && join(LETTERS, `inter-latin-${weight}-normal.woff2`);
}
