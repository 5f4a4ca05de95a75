// `node draw.mjs --dashboards DIR --out DIR`: a picture of each dashboard, from the Prometheus at PROMETHEUS_URL.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';

import type { Dashboard } from '@grafana/schema';
import { chromium, type BrowserContext } from 'playwright-core';

import { open } from './browser';
import { Prometheus } from './prometheus';
import { answers, Nothing, SCRAPED_EVERY, variables } from './questions';
import type { Span, Story } from './story';

const FOOTER =
  "Drawn with Grafana's components from a Prometheus that scraped a real run; not a screenshot of the Grafana server.";
const WIDTH = 1600;
const POINTS = 400; // a line's, at most
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--hide-scrollbars',
];

interface Order {
  url: string;
  dashboards: string;
  out: string;
}

function order(): Order {
  const { values } = parseArgs({
    options: { dashboards: { type: 'string', default: 'grafana/dashboards' }, out: { type: 'string', default: 'docs/img' } },
  });
  const url = process.env['PROMETHEUS_URL'];
  if (!url) {
    throw new Error('PROMETHEUS_URL is not set: the Prometheus to draw from');
  }
  return { url, ...values };
}

/** The time that SHOWN_FROM and SHOWN_TO name in seconds of the epoch; without them all that there is of the last hour. */
async function span(prometheus: Prometheus): Promise<Span> {
  const { SHOWN_FROM: first, SHOWN_TO: last } = process.env;
  const end = last === undefined ? Date.now() : Number(last) * 1000;
  const from = first === undefined ? await prometheus.since(end) : Number(first) * 1000;
  const step = Math.max(SCRAPED_EVERY, Math.ceil((end - from) / 1000 / POINTS));
  return { from, to: end - (end % (SCRAPED_EVERY * 1000)), step };
}

async function draw({ url, dashboards, out }: Order): Promise<string[]> {
  const prometheus = new Prometheus(url);
  const when = await span(prometheus);
  const complaints: string[] = [];
  mkdirSync(out, { recursive: true });
  await inBrowser(async (context) => {
    for (const file of readdirSync(dashboards).filter((name) => name.endsWith('.json')).sort()) {
      const dashboard = JSON.parse(readFileSync(join(dashboards, file), 'utf8')) as Dashboard;
      const name = basename(file, '.json');
      try {
        const found = await answers(dashboard, prometheus, when);
        const story: Story = { dashboard, answers: found, variables: variables(dashboard), span: when, footer: FOOTER };
        complaints.push(...(await picture(context, story, join(out, `${name}.png`))).map((one) => `${name}: ${one}`));
      } catch (error) {
        if (!(error instanceof Nothing)) {
          throw error;
        }
        complaints.push(...error.message.split('\n').map((panel) => `no data: ${panel}`));
      }
    }
  });
  return complaints;
}

async function picture(context: BrowserContext, story: Story, path: string): Promise<string[]> {
  const page = await open(context);
  const failed: string[] = [];
  page.on('pageerror', (error) => failed.push(String(error)));
  try {
    const { height, cut } = await page.evaluate((told) => window.tell(told), story);
    if (failed.length > 0) {
      return failed;
    }
    await page.setViewportSize({ width: WIDTH, height: Math.ceil(height) });
    await page.evaluate(() => window.settled());
    await page.screenshot({ path });
    console.log(path);
    return cut;
  } finally {
    await page.close();
  }
}

async function inBrowser(work: (context: BrowserContext) => Promise<void>): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), 'askonce-pictures-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: FLAGS,
    viewport: { width: WIDTH, height: 2400 },
    locale: 'en-US',
    timezoneId: 'UTC',
    colorScheme: 'dark',
  });
  try {
    await work(context);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

try {
  const complaints = await draw(order());
  complaints.forEach((complaint) => console.error(complaint));
  process.exitCode = complaints.length > 0 ? 1 : 0;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
