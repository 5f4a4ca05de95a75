// The page that draws one story: the bar of variables, the grid of 24 columns, the footer. `tell` says how high it is.
import { createTheme, dateTime, ThemeContext, type DataFrame, type TimeRange } from '@grafana/data';
import type { GridPos, Panel, RowPanel } from '@grafana/schema';
import { GlobalStyles, Icon, PanelChrome, useTheme2 } from '@grafana/ui';
import type { CSSProperties, JSX } from 'react';
import { createRoot } from 'react-dom/client';

import { cuts } from './cuts';
import { registerTransformers } from './fields';
import { frames } from './frames';
import { Content } from './panels';
import { drawn, isRow, type Span, type Story, type Variable } from './story';

declare global {
  interface Window {
    tell: (story: Story) => Promise<{ height: number; cut: string[] }>;
    settled: () => Promise<void>;
  }
}

// as in Grafana: a cell is 30 pixels high, and 8 lie between two
const [WIDTH, EDGE, GAP, CELL, COLUMNS] = [1600, 16, 8, 30, 24];
const LOOKS_SETTLED = 500; // milliseconds: canvases and icons come a moment after the text
const theme = createTheme({ colors: { mode: 'dark' } });

window.tell = async (story) => {
  registerTransformers();
  const ready: Record<number, DataFrame[]> = {};
  for (const panel of drawn(story.dashboard)) {
    ready[panel.id ?? 0] = await frames(panel, story.answers[panel.id ?? 0] ?? [], story.span, theme);
  }
  const element = document.getElementById('root') as HTMLElement;
  const root = createRoot(element);
  // the typeface first: a canvas does not draw anew when it comes
  root.render(<Themed />);
  await window.settled();
  await Promise.all(['400 14px Inter', '500 14px Inter'].map((font) => document.fonts.load(font)));
  root.render(<Themed board={<Board story={story} ready={ready} />} />);
  await window.settled();
  return { height: element.getBoundingClientRect().height, cut: cuts(element) };
};

window.settled = async () => {
  await document.fonts.ready;
  await new Promise((resolve) => setTimeout(resolve, LOOKS_SETTLED));
};

function Themed({ board }: { board?: JSX.Element }): JSX.Element {
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      {board}
    </ThemeContext.Provider>
  );
}

function Board({ story, ready }: { story: Story; ready: Record<number, DataFrame[]> }): JSX.Element {
  const { dashboard, span } = story;
  const panels = (dashboard.panels ?? []).flatMap((panel) => (isRow(panel) ? [panel, ...panel.panels] : [panel]));
  const rows = Math.max(...panels.map(({ gridPos }) => (gridPos?.y ?? 0) + (gridPos?.h ?? 0)));
  const range = rangeOf(span);
  return (
    <div style={{ width: WIDTH, padding: EDGE, background: theme.colors.background.canvas }}>
      <Head title={dashboard.title ?? ''} variables={story.variables} span={span} />
      <div style={{ position: 'relative', height: rows * (CELL + GAP) - GAP }}>
        {panels.map((panel) => (
          <Cell key={panel.id} panel={panel} frames={ready[panel.id ?? 0] ?? []} range={range} />
        ))}
      </div>
      <p style={{ margin: '16px 0 0', textAlign: 'center', color: theme.colors.text.secondary, ...theme.typography.bodySmall }}>
        {story.footer}
      </p>
    </div>
  );
}

function Cell({ panel, frames, range }: { panel: Panel | RowPanel; frames: DataFrame[]; range: TimeRange }): JSX.Element {
  const place = placed(panel.gridPos ?? { x: 0, y: 0, w: COLUMNS, h: 1 });
  if (isRow(panel)) {
    return <RowHead title={panel.title ?? ''} place={place} />;
  }
  const { width, height } = place;
  return (
    <div style={{ position: 'absolute', ...place }} data-panel={panel.title}>
      <PanelChrome
        title={panel.title}
        description={panel.description}
        width={width}
        height={height}
        padding={panel.type === 'table' ? 'none' : 'md'}
      >
        {(inner, tall) => <Content panel={panel} frames={frames} width={inner} height={tall} range={range} />}
      </PanelChrome>
    </div>
  );
}

interface Place {
  left: number;
  top: number;
  width: number;
  height: number;
}

function placed({ x, y, w, h }: GridPos): Place {
  const column = (WIDTH - 2 * EDGE + GAP) / COLUMNS;
  return { left: x * column, top: y * (CELL + GAP), width: w * column - GAP, height: h * (CELL + GAP) - GAP };
}

function RowHead({ title, place }: { title: string; place: Place }): JSX.Element {
  const { typography, colors } = useTheme2();
  const style: CSSProperties = { ...typography.h6, position: 'absolute', ...place, margin: 0, color: colors.text.primary };
  return (
    <h6 style={{ ...style, display: 'flex', alignItems: 'center', gap: 8 }}>
      <Icon name="angle-down" />
      {title}
    </h6>
  );
}

function Head({ title, variables, span }: { title: string; variables: Variable[]; span: Span }): JSX.Element {
  const { typography, colors, shape } = useTheme2();
  const box: CSSProperties = { height: 32, padding: '0 8px', display: 'flex', alignItems: 'center', gap: 6 };
  const edge = `1px solid ${colors.border.medium}`;
  const round = shape.radius.default;
  return (
    <header style={{ display: 'flex', gap: 16, alignItems: 'center', marginBottom: 16, ...typography.bodySmall }}>
      <h1 style={{ ...typography.h4, margin: 0, marginRight: 'auto' }}>{title}</h1>
      {variables.map(({ label, value }) => (
        <div key={label} style={{ display: 'flex' }}>
          <span style={{ ...box, border: edge, borderRight: 0, background: colors.background.secondary, fontWeight: 500 }}>{label}</span>
          <span style={{ ...box, border: edge, background: colors.background.primary, borderRadius: round }}>
            {value} <Icon name="angle-down" size="sm" />
          </span>
        </div>
      ))}
      <span style={{ ...box, border: edge, background: colors.background.secondary, borderRadius: round }}>
        <Icon name="clock-nine" size="sm" /> Last {lasted(span)}
      </span>
    </header>
  );
}

function lasted({ from, to }: Span): string {
  const minutes = Math.max(1, Math.round((to - from) / 60_000));
  return minutes === 1 ? '1 minute' : `${minutes} minutes`;
}

function rangeOf({ from, to }: Span): TimeRange {
  const [start, end] = [dateTime(from), dateTime(to)];
  return { from: start, to: end, raw: { from: start, to: end } };
}
