/**
 * Commander's complaint with the prefix of all our errors: `logweir: unknown option '-l'`.
 * @param unknownOptionHint is put behind a complaint about an option that does not exist
 */
export function inOurWords(complaint: string, unknownOptionHint = ''): string {
  const said = complaint.replace(/^error: /, 'logweir: ');
  return said.replace(/(unknown option '[^']*')/, (found) => `${found}${unknownOptionHint}`);
}
