// From Prometheus's answers to Grafana's data frames, dressed as the panel says: units, thresholds, names, colours.
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createDataFrame,
  FieldType,
  transformDataFrame,
  type DataFrame,
  type DataTransformerConfig,
  type FieldConfigSource,
  type GrafanaTheme2,
} from '@grafana/data';
import type { Panel } from '@grafana/schema';
import { firstValueFrom } from 'rxjs';

import { dressing } from './fields';
import type { Answer, Series, Span, Target } from './story';

export async function frames(panel: Panel, answers: Answer[], span: Span, theme: GrafanaTheme2): Promise<DataFrame[]> {
  const raw = answers.flatMap(({ target, series }) =>
    target.format === 'table'
      ? [asTable(target, series, answers.length > 1)]
      : series.map((one) => asLine(target, one, span))
  );
  const transformed = await firstValueFrom(transformDataFrame((panel.transformations ?? []) as DataTransformerConfig[], raw));
  const { fieldConfig, fieldConfigRegistry } = dressing(panel);
  const dressed = applyFieldOverrides({
    data: transformed,
    fieldConfig: fieldConfig as unknown as FieldConfigSource,
    fieldConfigRegistry,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(dressed);
  return dressed;
}

function asLine(target: Target, { metric, values }: Series, span: Span): DataFrame {
  const name = legend(target.legendFormat, metric);
  return createDataFrame({
    name,
    refId: target.refId,
    fields: [
      // the interval is how Grafana tells a gap from a step
      { name: 'Time', type: FieldType.time, config: { interval: span.step * 1000 }, values: values.map(([time]) => time * 1000) },
      {
        name: 'Value',
        type: FieldType.number,
        labels: metric,
        config: { displayNameFromDS: name },
        values: values.map(([, value]) => number(value)),
      },
    ],
  });
}

function asTable(target: Target, series: Series[], several: boolean): DataFrame {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const last = series.map(({ values }) => values[values.length - 1] ?? ([0, 'NaN'] as const));
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: last.map(([time]) => time * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: series.map(({ metric }) => metric[label] ?? ''),
      })),
      { name: several ? `Value #${target.refId}` : 'Value', type: FieldType.number, values: last.map(([, value]) => number(value)) },
    ],
  });
}

// Grafana draws nothing for NaN; JSON has no word for infinity, and Prometheus spells it with a sign
function number(text: string): number | null {
  const value = text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
  return Number.isNaN(value) ? null : value;
}

function legend(format: string | undefined, metric: Record<string, string>): string {
  if (format && format !== '__auto') {
    return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => metric[label] ?? '');
  }
  const { __name__: name = '', ...labels } = metric;
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length > 0 ? `${name}{${pairs.join(', ')}}` : name || 'Value';
}
