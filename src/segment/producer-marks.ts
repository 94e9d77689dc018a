/** The higher mark of each producer; those of `after` were heard of last, and stand last. */
export function mergedMarks(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const marks = new Map(before);
  for (const [producer, seq] of after) {
    marks.delete(producer);
    marks.set(producer, Math.max(seq, before.get(producer) ?? 0));
  }
  return marks;
}
