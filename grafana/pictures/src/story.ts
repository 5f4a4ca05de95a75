// What the program hands to the page: a dashboard, and what Prometheus answered. Both sides know no more of each other.
import type { Dashboard, Panel, RowPanel } from '@grafana/schema';

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  format?: string;
}

/** One series: times in seconds; a value is a number in Prometheus's words ("1.5", "NaN", "+Inf"). */
export interface Series {
  metric: Record<string, string>;
  values: [number, string][];
}

export interface Answer {
  target: Target;
  series: Series[];
}

/** From and to in milliseconds of the epoch, step in seconds. */
export interface Span {
  from: number;
  to: number;
  step: number;
}

export interface Variable {
  label: string;
  value: string;
}

export interface Story {
  dashboard: Dashboard;
  answers: Record<number, Answer[]>;
  variables: Variable[];
  span: Span;
  footer: string;
}

export function isRow(panel: Panel | RowPanel): panel is RowPanel {
  return panel.type === 'row';
}

/** The panels that draw something, those inside of rows too. */
export function drawn(dashboard: Dashboard): Panel[] {
  return (dashboard.panels ?? []).flatMap((panel) => (isRow(panel) ? panel.panels : [panel]));
}

export function targetsOf(panel: Panel): Target[] {
  return (panel.targets ?? []) as unknown as Target[];
}
