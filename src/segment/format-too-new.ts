/** A newer logweir wrote it: sound, but not ours to read, let alone to write again. */
export class FormatTooNew extends Error {
  /** @param what holds the version, e.g. `manifest` */
  constructor(what: string, version: number, readVersion: number) {
    super(
      `the ${what}'s format_version is ${version}, this logweir reads ${readVersion}: run the version that wrote it`,
    );
    this.name = 'FormatTooNew';
  }
}
