/** Tells the bench, on stdout, which port a server of its own listens on. */
export function announce(error: Error | null, port: number): void {
  if (error !== null) {
    throw error;
  }
  console.log(`listening on ${port}`);
}
