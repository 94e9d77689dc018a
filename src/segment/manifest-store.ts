/**
 * Manifests on disk: `sessions/<session>/<segment>.json`, one line of JSON without spaces, keys in the order of the
 * `Manifest` interface, a newline at the end. Written once, never changed.
 */

import { writeFileDurably } from './durable-file.js';
import type { Files } from './files.js';
import { FormatTooNew } from './format-too-new.js';
import { type GzipMember, MANIFEST_FORMAT_VERSION, type Manifest } from './manifest.js';

/** @throws when the file cannot be read, or holds no manifest. */
export async function readManifest(files: Files, path: string): Promise<Manifest> {
  const content = await files.readFile(path);
  try {
    return parseManifest(content);
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Durable when it resolves: see writeFileDurably. */
export async function writeManifest(files: Files, path: string, manifest: Manifest): Promise<void> {
  await writeFileDurably(files, path, encodeManifest(manifest));
}

/** The bytes of the manifest file; keys stand in the order of the interface whatever the order in `manifest`. */
export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(inOrder(manifest))}\n`);
}

/** @throws Error saying which field is wrong. Unknown fields, which a newer version may have added, are left out. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('the manifest is not JSON');
  }
  const record = objectAt(value, 'the manifest');
  const version = record['format_version'];
  if (typeof version === 'number' && version > MANIFEST_FORMAT_VERSION) {
    throw new FormatTooNew('manifest', version, MANIFEST_FORMAT_VERSION);
  }
  if (version !== MANIFEST_FORMAT_VERSION) {
    throw new Error(`the manifest's format_version is ${describe(version)}`);
  }
  for (const [field, isValid] of FIELDS) {
    if (!isValid(record[field])) {
      throw new Error(`the manifest's ${field} is ${describe(record[field])}`);
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every field was checked above
  return inOrder(record as unknown as Manifest);
}

/** A field each: the interface and this function say the same order. */
function inOrder(manifest: Manifest): Manifest {
  return {
    id: manifest.id,
    session_id: manifest.session_id,
    first_seq: manifest.first_seq,
    last_seq: manifest.last_seq,
    frames: manifest.frames,
    gaps: manifest.gaps,
    first_time: manifest.first_time,
    last_time: manifest.last_time,
    bytes: manifest.bytes,
    sha256: manifest.sha256,
    prev_sha256: manifest.prev_sha256,
    compression: manifest.compression,
    compressed_bytes: manifest.compressed_bytes,
    members: manifest.members.map(({ first_seq, raw_offset, compressed_offset }) => ({
      first_seq,
      raw_offset,
      compressed_offset,
    })),
    path: manifest.path,
    sealed_at: manifest.sealed_at,
    reason: manifest.reason,
    producers: manifest.producers,
    format_version: manifest.format_version,
  };
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isCount = (value: unknown): boolean => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isSeq = (value: unknown): boolean => isCount(value) && value !== 0;
const isSha256 = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isOneOf = (...words: string[]) => {
  const known: ReadonlySet<unknown> = new Set(words);
  return (value: unknown): boolean => known.has(value);
};
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const FIELDS: ReadonlyArray<readonly [keyof Manifest, (value: unknown) => boolean]> = [
  ['id', isText],
  ['session_id', isText],
  ['first_seq', isSeq],
  ['last_seq', isSeq],
  ['frames', isCount],
  ['gaps', isCount],
  ['first_time', isText],
  ['last_time', isText],
  ['bytes', isCount],
  ['sha256', isSha256],
  ['prev_sha256', (value) => value === null || isSha256(value)],
  ['compression', isOneOf('gzip', 'none')],
  ['compressed_bytes', isCount],
  ['members', (value) => Array.isArray(value) && value.every(isMember)],
  ['path', isText],
  ['sealed_at', isText],
  ['reason', isOneOf('size', 'age', 'idle', 'complete', 'recovery')],
  // JSON.parse makes "__proto__" an own property, and Object.values sees it.
  ['producers', (value) => isObject(value) && Object.values(value).every(isCount)],
];

function isMember(value: unknown): value is GzipMember {
  return (
    isObject(value) && isSeq(value['first_seq']) && isCount(value['raw_offset']) && isCount(value['compressed_offset'])
  );
}

function objectAt(value: unknown, what: string): Record<string, unknown> {
  if (!isObject(value)) {
    throw new Error(`${what} is not a JSON object`);
  }
  return value;
}

function describe(value: unknown): string {
  return value === undefined ? 'missing' : `not valid: ${JSON.stringify(value).slice(0, 80)}`;
}
