// Prometheus's HTTP API, as far as a dashboard asks it. Knows no panel.
import type { Series, Span, Target } from './story';

const ANSWERS_WITHIN = 30_000; // milliseconds

interface Reply {
  status: string;
  error?: string;
  data: { result: { metric: Record<string, string>; values?: [number, string][]; value?: [number, string] }[] };
}

export class Prometheus {
  constructor(private readonly url: string) {}

  /** What `expr` gives: all along the span, or at its end for an instant target. */
  async ask(target: Target, expr: string, span: Span): Promise<Series[]> {
    const end = String(span.to / 1000);
    const more: Record<string, string> = target.instant ? { time: end } : { start: String(span.from / 1000), end, step: String(span.step) };
    return this.result(target.instant ? 'query' : 'query_range', { query: expr, ...more });
  }

  /** When it first scraped anything within the last hour, in milliseconds of the epoch. */
  async since(now: number): Promise<number> {
    const span = { query: 'max(up)', start: String(now / 1000 - 3600), end: String(now / 1000), step: '5' };
    const first = (await this.result('query_range', span))[0]?.values[0];
    if (first === undefined) {
      throw new Error(`the Prometheus at ${this.url} has scraped nothing within the last hour`);
    }
    return first[0] * 1000;
  }

  private async result(path: string, parameters: Record<string, string>): Promise<Series[]> {
    const address = `${this.url.replace(/\/$/, '')}/api/v1/${path}?${new URLSearchParams(parameters)}`;
    const answer = await fetch(address, { signal: AbortSignal.timeout(ANSWERS_WITHIN) });
    const reply = (await answer.json()) as Reply;
    if (reply.status !== 'success') {
      throw new Error(`${reply.error}: ${parameters['query']}`);
    }
    return reply.data.result.map(({ metric, values, value }) => ({ metric, values: values ?? (value ? [value] : []) }));
  }
}
