// What stands inside a panel: one function for each type of panel that the dashboards use, out of Grafana's components.
import {
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  VizOrientation,
  type DataFrame,
  type DisplayValueAlignmentFactors,
  type FieldDisplay,
  type TimeRange,
} from '@grafana/data';
import type { Panel, VizLegendOptions } from '@grafana/schema';
import {
  BarGauge,
  BarGaugeDisplayMode,
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  LegendDisplayMode,
  TimeSeries,
  useTheme2,
  VizRepeater,
  type VizRepeaterRenderValueProps,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import type { JSX } from 'react';

export interface Inside {
  panel: Panel;
  frames: DataFrame[];
  width: number;
  height: number;
  range: TimeRange;
}

type Value = VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors>;
// an option that a file leaves out is Grafana's default
type Options = Record<string, any>;

const KINDS: Record<string, (inside: Inside) => JSX.Element> = {
  stat: Stat,
  bargauge: Bars,
  timeseries: Lines,
  table: Table,
};

export function Content(inside: Inside): JSX.Element {
  const Kind = KINDS[inside.panel.type];
  if (Kind === undefined) {
    throw new Error(`${inside.panel.title}: no picture for a panel of type ${inside.panel.type}`);
  }
  return <Kind {...inside} />;
}

function optionsOf(panel: Panel): Options {
  return panel.options ?? {};
}

function useValues({ panel, frames }: Inside, sparkline: boolean): () => FieldDisplay[] {
  const theme = useTheme2();
  const { reduceOptions } = optionsOf(panel);
  return () =>
    getFieldDisplayValues({
      data: frames,
      fieldConfig: { defaults: {}, overrides: [] },
      reduceOptions: { values: false, ...reduceOptions, calcs: reduceOptions?.calcs?.length ? reduceOptions.calcs : ['lastNotNull'] },
      replaceVariables: (text) => text,
      sparkline,
      theme,
      timeZone: 'utc',
    });
}

function Stat(inside: Inside): JSX.Element {
  const theme = useTheme2();
  const options = optionsOf(inside.panel);
  const graph: BigValueGraphMode = options.graphMode ?? BigValueGraphMode.Area;
  const values = useValues(inside, graph !== BigValueGraphMode.None);
  const one = ({ value, alignmentFactors, width, height, count }: Value): JSX.Element => (
    <BigValue
      alignmentFactors={alignmentFactors}
      colorMode={options.colorMode ?? BigValueColorMode.Value}
      count={count}
      disableWideLayout={options.wideLayout === false}
      graphMode={graph}
      height={height}
      justifyMode={options.justifyMode ?? BigValueJustifyMode.Auto}
      sparkline={value.sparkline}
      text={options.text}
      textMode={options.textMode ?? BigValueTextMode.Auto}
      theme={theme}
      value={value.display}
      width={width}
    />
  );
  return <Repeated {...inside} values={values} one={one} autoGrid />;
}

function Bars(inside: Inside): JSX.Element {
  const theme = useTheme2();
  const options = optionsOf(inside.panel);
  const one = ({ value, alignmentFactors, orientation, width, height }: Value): JSX.Element => (
    <BarGauge
      alignmentFactors={alignmentFactors}
      display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
      displayMode={options.displayMode ?? BarGaugeDisplayMode.Gradient}
      field={value.field}
      height={height}
      itemSpacing={10}
      lcdCellWidth={12}
      namePlacement={options.namePlacement}
      orientation={orientation}
      showUnfilled={options.showUnfilled ?? true}
      text={options.text}
      theme={theme}
      value={value.display}
      valueDisplayMode={options.valueMode}
      width={width}
    />
  );
  return <Repeated {...inside} values={useValues(inside, false)} one={one} />;
}

interface Repeating extends Inside {
  values: () => FieldDisplay[];
  one: (value: Value) => JSX.Element;
  autoGrid?: boolean;
}

function Repeated({ panel, frames, width, height, values, one, autoGrid }: Repeating): JSX.Element {
  const options = optionsOf(panel);
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      autoGrid={autoGrid}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      getValues={values}
      height={height}
      itemSpacing={autoGrid ? 3 : 10}
      maxVizHeight={autoGrid ? undefined : (options.maxVizHeight ?? 300)}
      minVizHeight={autoGrid ? undefined : (options.minVizHeight ?? 16)}
      minVizWidth={autoGrid ? undefined : (options.minVizWidth ?? 8)}
      orientation={options.orientation ?? VizOrientation.Auto}
      renderCounter={0}
      renderValue={one}
      source={frames}
      width={width}
    />
  );
}

function Lines({ panel, frames, width, height, range }: Inside): JSX.Element {
  const given: Partial<VizLegendOptions> = optionsOf(panel).legend ?? {};
  const legend = { displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [], ...given };
  return (
    <TimeSeries
      frames={frames}
      height={height}
      legend={legend as VizLegendOptions}
      timeRange={range}
      timeZone="utc"
      width={width}
    />
  );
}

function Table({ panel, frames, width, height, range }: Inside): JSX.Element {
  const options = optionsOf(panel);
  const frame = frames[options.frameIndex ?? 0];
  if (frame === undefined || frames.length > 1) {
    throw new Error(`${panel.title}: ${frames.length} tables where one is drawn; a "merge" joins them`);
  }
  return (
    <TableNG
      cellHeight={options.cellHeight}
      data={frame}
      enableVirtualization={false}
      height={height}
      noHeader={options.showHeader === false}
      sortBy={options.sortBy}
      timeRange={range}
      width={width}
    />
  );
}
