/** Whether `expected` is what stands in bytes[start, end). */
export function equalBytes(expected: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (expected.length !== length) {
    return false;
  }
  for (let at = 0; at < length; at++) {
    if (expected[at] !== bytes[start + at]) {
      return false;
    }
  }
  return true;
}
