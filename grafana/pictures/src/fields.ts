// What Grafana's server adds to a panel that leaves something out, and how it lays a field's settings over it.
import {
  FieldConfigOptionsRegistry,
  getValueFormats,
  standardTransformers,
  standardTransformersRegistry,
  type FieldConfigPropertyItem,
} from '@grafana/data';
import type { FieldConfigSource, Panel, ThresholdsConfig } from '@grafana/schema';

const PROPERTIES = ['displayName', 'unit', 'min', 'max', 'decimals', 'color', 'mappings', 'thresholds', 'noValue', 'links'];
const LINE = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: 'none',
  barAlignment: 0,
  barWidthFactor: 0.6,
  spanNulls: false,
  showPoints: 'auto',
  pointSize: 5,
  stacking: { mode: 'none', group: 'A' },
  axisPlacement: 'auto',
  axisColorMode: 'text',
  axisBorderShow: false,
  scaleDistribution: { type: 'linear' },
  thresholdsStyle: { mode: 'off' },
  hideFrom: { legend: false, tooltip: false, viz: false },
};
const CELL = { align: 'auto', cellOptions: { type: 'auto' }, inspect: false };
const CUSTOM: Record<string, Record<string, unknown>> = { timeseries: LINE, table: CELL };
const COLOR: Record<string, string> = { timeseries: 'palette-classic' };
const THRESHOLDS = {
  mode: 'absolute',
  steps: [
    { color: 'green', value: null },
    { color: 'red', value: 80 },
  ],
};

interface Dressing {
  fieldConfig: FieldConfigSource;
  fieldConfigRegistry: FieldConfigOptionsRegistry;
}

export function dressing(panel: Panel): Dressing {
  const given = panel.fieldConfig ?? { defaults: {}, overrides: [] };
  known(panel, given);
  const custom: Record<string, unknown> = { ...CUSTOM[panel.type], ...given.defaults.custom };
  const overridden = given.overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  const names = new Set([
    ...Object.keys(custom),
    ...overridden.filter((id) => id.startsWith('custom.')).map((id) => id.slice('custom.'.length)),
  ]);
  return {
    fieldConfig: {
      ...given,
      defaults: {
        color: { mode: COLOR[panel.type] ?? 'thresholds' },
        thresholds: THRESHOLDS,
        ...given.defaults,
        custom,
      } as FieldConfigSource['defaults'],
    },
    fieldConfigRegistry: new FieldConfigOptionsRegistry(() => [
      ...PROPERTIES.map((name) => item(name, name, false)),
      ...[...names].map((name) => item(`custom.${name}`, name, true)),
    ]),
  };
}

/** Throws on a unit that Grafana would print as it stands. */
function known(panel: Panel, { defaults, overrides }: FieldConfigSource): void {
  const units = getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value));
  const overriding = overrides.flatMap(({ properties }) => properties.filter(({ id }) => id === 'unit'));
  for (const unit of [defaults.unit, ...overriding.map(({ value }) => value as string)]) {
    if (unit !== undefined && !units.includes(unit)) {
      throw new Error(`${panel.title}: Grafana has no unit ${unit}`);
    }
  }
}

function item(id: string, path: string, isCustom: boolean): FieldConfigPropertyItem {
  return {
    id,
    path,
    isCustom,
    name: id,
    settings: {},
    editor: () => null,
    override: () => null,
    shouldApply: () => true,
    process: (value) => (id === 'thresholds' ? fromAnywhere(value) : value),
  };
}

// "from anywhere on" is null in a file and minus infinity in Grafana
function fromAnywhere(thresholds: ThresholdsConfig): ThresholdsConfig {
  return { ...thresholds, steps: thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })) };
}

export function registerTransformers(): void {
  // one of them stands there under two names
  const each = new Map(Object.values(standardTransformers).map((transformation) => [transformation.id, transformation]));
  standardTransformersRegistry.setInit(() =>
    [...each.values()].map((transformation) => ({
      id: transformation.id,
      name: transformation.name,
      transformation: async () => transformation,
      editor: () => null,
      imageDark: '',
      imageLight: '',
    }))
  );
}
