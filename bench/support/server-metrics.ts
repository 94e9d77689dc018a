/** The service renders a page for everybody who asks within 100 ms: what is asked for again has to wait for the next one. */
const PAGE_MS = 150;

const readAtMs = new Map<number, number>();

/** What logweir says about itself on /metrics: value by name, with labels as they stand there. */
export async function readMetrics(httpPort: number): Promise<ReadonlyMap<string, number>> {
  const againMs = (readAtMs.get(httpPort) ?? Number.NEGATIVE_INFINITY) + PAGE_MS;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, againMs - performance.now())));
  const response = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
  const metrics = new Map<string, number>();
  for (const line of (await response.text()).split('\n')) {
    const match = /^([a-z0-9_]+(?:\{[^}]*\})?) (\S+)$/i.exec(line);
    if (match?.[1] !== undefined) {
      metrics.set(match[1], Number(match[2]));
    }
  }
  readAtMs.set(httpPort, performance.now());
  return metrics;
}
