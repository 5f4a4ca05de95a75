// From a dashboard to questions for Prometheus: its variables all at "All", Grafana's own in their place.
import type { Dashboard, Panel } from '@grafana/schema';

import type { Prometheus } from './prometheus';
import { drawn, targetsOf, type Answer, type Span, type Variable } from './story';

/** Seconds between two scrapes: compose's prometheus.yml says the same. */
export const SCRAPED_EVERY = 5;
// as the Prometheus data source does it, so that a rate always has a second sample
const RATED_OVER = 4 * SCRAPED_EVERY;

export class Nothing extends Error {}

/** `expr` with every variable in it replaced. Throws on one that nobody declared. */
export function filled(expr: string, dashboard: Dashboard, span: Span): string {
  const range = Math.round((span.to - span.from) / 1000);
  const own: Record<string, string> = {
    __range: `${range}s`,
    __range_s: String(range),
    __range_ms: String(range * 1000),
    __interval: `${span.step}s`,
    __interval_ms: String(span.step * 1000),
    __rate_interval: `${Math.max(span.step + SCRAPED_EVERY, RATED_OVER)}s`,
  };
  const declared = Object.fromEntries(
    (dashboard.templating?.list ?? []).map((variable) => [variable.name, variable.allValue || '.*'])
  );
  return expr.replace(/\$\{(\w+)(?::\w+)?\}|\$(\w+)/g, (found, braced?: string, bare?: string) => {
    const value = { ...declared, ...own }[braced ?? bare ?? ''];
    if (value === undefined) {
      throw new Error(`no variable ${found}: ${expr}`);
    }
    return value;
  });
}

/** What stands above the dashboard: each variable that Grafana shows, and "All", or the name of the data source. */
export function variables(dashboard: Dashboard): Variable[] {
  return (dashboard.templating?.list ?? [])
    .filter((variable) => variable.hide !== 2)
    .map((variable) => ({
      label: variable.label || variable.name,
      value: variable.type === 'datasource' ? 'Prometheus' : 'All',
    }));
}

/** The answers of every panel by its id. Throws `Nothing` with the names of those that have no number to show. */
export async function answers(dashboard: Dashboard, prometheus: Prometheus, span: Span): Promise<Record<number, Answer[]>> {
  const found: Record<number, Answer[]> = {};
  const empty: string[] = [];
  for (const panel of drawn(dashboard)) {
    const asked = await Promise.all(
      targetsOf(panel).map(async (target) => {
        const series = await prometheus.ask(target, filled(target.expr, dashboard, span), span);
        return { target, series };
      })
    );
    if (!asked.some(says)) {
      empty.push(`${dashboard.title}: ${panel.title}`);
    }
    found[identity(panel)] = asked;
  }
  if (empty.length > 0) {
    throw new Nothing(empty.join('\n'));
  }
  return found;
}

export function identity(panel: Panel): number {
  if (panel.id === undefined) {
    throw new Error(`a panel without an id: ${panel.title}`);
  }
  return panel.id;
}

function says(answer: Answer): boolean {
  return answer.series.some((series) => series.values.some(([, value]) => Number.isFinite(Number(value))));
}
