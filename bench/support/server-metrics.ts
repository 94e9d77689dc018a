/** What logweir says about itself on /metrics: name to value, series with labels left out. */
export async function readMetrics(httpPort: number): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
  const metrics = new Map<string, number>();
  for (const line of (await response.text()).split('\n')) {
    const match = /^([a-z0-9_]+) (\S+)$/i.exec(line);
    if (match?.[1] !== undefined) {
      metrics.set(match[1], Number(match[2]));
    }
  }
  return metrics;
}
