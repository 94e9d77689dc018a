/** What is said of a server, whatever it was asked for. */

/** What it gave as its reason, for the middle of a sentence. */
export function reasonIn(details: string): string {
  return details.replace(/\s+/g, ' ').replace(/\.$/, '').trim();
}

export const NO_REASON = 'no reason given';

/** @param advice what to look at: see whyUnreachable */
export function cannotReach(server: string, advice: string): string {
  return `cannot reach logweir at ${server}: ${advice}`;
}

export function connectionBroke(server: string): string {
  return `the connection to logweir at ${server} broke`;
}

export function deniedAccess(server: string, reason: string): string {
  return `logweir at ${server} denied access: ${reason}`;
}

/** @param what a service or a method, by its full name */
export function doesNotKnow(server: string, what: string): string {
  return `the server at ${server} does not know ${what}: is it a logweir, and a current one?`;
}
