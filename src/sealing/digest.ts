import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Length and CRC-32 of bytes that come in pieces. */
export class Checksum {
  bytes = 0;
  crc32 = 0;

  update(piece: Uint8Array): void {
    this.bytes += piece.length;
    this.crc32 = crc32(piece, this.crc32);
  }
}

/** Length, CRC-32 and SHA-256 of bytes that come in pieces. */
export class Digest extends Checksum {
  readonly #sha256 = createHash('sha256');

  override update(piece: Uint8Array): void {
    super.update(piece);
    this.#sha256.update(piece);
  }

  /** Hex. Nothing can be added after it. */
  sha256(): string {
    return this.#sha256.digest('hex');
  }
}
