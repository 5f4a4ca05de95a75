// What a dashboard file of this project may say: Grafana's own types, made sharper where they end in `unknown`.
// A file says "list" where Grafana's code says LegendDisplayMode.List, so `Said` puts an enum's values in its place;
// and it may leave out an option that Grafana has a default for.
import type {
  Dashboard,
  DataQuery,
  DataSourceRef,
  FieldConfig,
  FieldConfigSource,
  Panel,
  RowPanel,
  TableFieldOptions,
  VariableModel,
} from '@grafana/schema';
import type { Options as BarGauge } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as Table } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  FieldConfig as Drawn,
  Options as TimeSeries,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Said<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? Said<Item>[]
      : T extends object
        ? { [Key in keyof T]: Said<T[Key]> }
        : T;

type Source = Required<Pick<DataSourceRef, 'type' | 'uid'>>;

// Prometheus's plugin publishes no schema; these are the fields of a query that it reads.
interface Query extends DataQuery {
  datasource?: Source;
  editorMode?: 'code' | 'builder';
  exemplar?: boolean;
  expr: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  interval?: string;
  legendFormat?: string;
  range?: boolean;
}

interface Looks<Custom> extends Omit<FieldConfigSource, 'defaults'> {
  defaults: Omit<FieldConfig, 'custom'> & { custom?: Partial<Custom> };
}

interface Of<Type extends string, Options, Custom> extends Omit<Panel, 'type' | 'datasource' | 'options' | 'fieldConfig' | 'targets'> {
  type: Type;
  datasource: Source;
  title: string;
  description: string;
  options?: Partial<Options>;
  fieldConfig: Looks<Custom>;
  targets: Query[];
}

type Kinds =
  | Of<'stat', Stat, Record<string, never>>
  | Of<'bargauge', BarGauge, Record<string, never>>
  | Of<'timeseries', TimeSeries, Drawn>
  | Of<'table', Table, TableFieldOptions>;

interface Row extends Omit<RowPanel, 'panels'> {
  title: string;
  panels: Kinds[];
}

interface Whole extends Omit<Dashboard, 'panels' | 'templating'> {
  uid: string;
  title: string;
  panels: (Kinds | Row)[];
  templating: { list: VariableModel[] };
}

export type Checked = Said<Whole>;
