/**
 * What the encoder must do, written for reading and not for speed: a protobuf decoder on BigInt and objects, and a
 * serializer on strings. It shares nothing with src/frame but the limits' meaning.
 */

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export type Json = null | boolean | number | string | readonly Json[] | ReadonlyMap<string, Json>;

export type Outcome =
  | { readonly line: string; readonly quirks: ReadonlySet<string> }
  | { readonly field: string; readonly quirks: ReadonlySet<string> };

class Refused extends Error {
  readonly field: string;

  constructor(field: string) {
    super(field);
    this.field = field;
  }
}

interface Field {
  readonly number: number;
  readonly wireType: number;
  readonly varint: bigint;
  readonly payload: Uint8Array;
}

/** What a message's known fields are: the wire type of each, and which of them are strings. */
interface Shape {
  readonly wireTypes: readonly (number | undefined)[];
  readonly strings: readonly number[];
}

const FRAME: Shape = { wireTypes: [undefined, 0, 2, 2, 2, 2, 0, 2, 2, 2, 0], strings: [3, 4, 5, 7, 9] };
const TIMESTAMP: Shape = { wireTypes: [undefined, 0, 0], strings: [] };
const STRUCT: Shape = { wireTypes: [undefined, 2], strings: [] };
const ENTRY: Shape = { wireTypes: [undefined, 2, 2], strings: [1] };
const VALUE: Shape = { wireTypes: [undefined, 0, 1, 2, 0, 2, 2], strings: [3] };
const LIST: Shape = { wireTypes: [undefined, 2], strings: [] };

/**
 * @param quirks gets what protobufjs reads in another way than the protobuf specification has it, or than logweir does:
 * where it stays empty, the two must agree
 */
function readFields(bytes: Uint8Array, at: string, quirks: Set<string>, shape: Shape): Field[] {
  const fields: Field[] = [];
  let position = 0;
  let isWrong = false;

  function fail(): never {
    throw new Refused(at);
  }

  function readVarint(): bigint {
    let result = 0n;
    for (let index = 0; index < 10; index++) {
      const byte = bytes[position++];
      if (byte === undefined) {
        if (index > 2) {
          quirks.add('truncated long varint');
        }
        return fail();
      }
      result |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) {
        if (index >= 4 && index < 9) {
          quirks.add('varint of five to nine bytes');
        }
        return BigInt.asUintN(64, result);
      }
    }
    quirks.add('varint of more than ten bytes');
    return fail();
  }

  function readField(depth: number): Field {
    const fullTag = readVarint();
    if (fullTag >= 1n << 32n) {
      quirks.add('tag above 32 bits');
      fail();
    }
    const number = Number(fullTag >> 3n);
    const wireType = Number(fullTag & 7n);
    if (number === 0) {
      quirks.add('field number 0');
      fail();
    }
    if (depth === 0 && wireType !== (shape.wireTypes[number] ?? wireType)) {
      quirks.add('wrong wire type');
      isWrong = true;
    }
    const start = position;
    switch (wireType) {
      case 0:
        return { number, wireType, varint: readVarint(), payload: bytes.subarray(start, position) };
      case 1:
      case 5:
        position += wireType === 1 ? 8 : 4;
        if (position > bytes.length) {
          fail();
        }
        return { number, wireType, varint: 0n, payload: bytes.subarray(start, position) };
      case 2: {
        const length = readVarint();
        if (length > BigInt(bytes.length - position)) {
          if (shape.strings.includes(number)) {
            quirks.add('clipped string');
          }
          if (length >= 1n << 31n) {
            quirks.add('length above 31 bits');
          }
          fail();
        }
        const payload = bytes.subarray(position, position + Number(length));
        position += Number(length);
        return { number, wireType, varint: 0n, payload };
      }
      case 3:
        // Neither the depth of a group nor the number at its end is checked in the same way everywhere.
        quirks.add('group');
        if (depth >= 100) {
          fail();
        }
        for (;;) {
          const inner = readField(depth + 1);
          if (inner.wireType === 4) {
            return inner.number === number ? { ...inner, wireType } : fail();
          }
        }
      case 4:
        if (depth === 0) {
          quirks.add('end of no group');
          fail();
        }
        return { number, wireType, varint: 0n, payload: bytes.subarray(0, 0) };
      default:
        quirks.add('wire type 6 or 7');
        return fail();
    }
  }

  while (position < bytes.length) {
    fields.push(readField(0));
  }
  return isWrong ? fail() : fields;
}

/** The last of the fields with a number. */
function last(fields: readonly Field[], number: number, quirks: Set<string>): Field | undefined {
  const found = fields.filter((field) => field.number === number);
  if (found.length > 1) {
    quirks.add('repeated field');
  }
  return found.at(-1);
}

function string(field: Field | undefined): string {
  return field === undefined ? '' : decoder.decode(field.payload);
}

function int64(field: Field | undefined): bigint {
  return field === undefined ? 0n : BigInt.asIntN(64, field.varint);
}

function int32(field: Field | undefined): number {
  return field === undefined ? 0 : Number(BigInt.asIntN(32, field.varint));
}

function readStruct(bytes: Uint8Array, depth: number, quirks: Set<string>): ReadonlyMap<string, Json> {
  if (depth > 100) {
    throw new Refused('metadata');
  }
  const values = new Map<string, Uint8Array>();
  for (const field of readFields(bytes, 'metadata', quirks, STRUCT)) {
    if (field.number !== 1) {
      continue;
    }
    const parts = readFields(field.payload, 'metadata', quirks, ENTRY);
    const key = string(last(parts, 1, quirks));
    if (values.has(key)) {
      quirks.add('repeated key');
    }
    const item = last(parts, 2, quirks);
    if (item === undefined) {
      quirks.add('entry without a value');
    }
    values.set(key, item?.payload ?? new Uint8Array());
  }
  return new Map([...values].map(([key, payload]) => [key, readValue(payload, depth + 1, quirks)]));
}

function readValue(bytes: Uint8Array, depth: number, quirks: Set<string>): Json {
  if (depth > 100) {
    throw new Refused('metadata');
  }
  const kinds = readFields(bytes, 'metadata', quirks, VALUE).filter((field) => field.number <= 6);
  if (kinds.length > 1) {
    quirks.add('several kinds');
  }
  const kind = kinds.at(-1);
  switch (kind?.number) {
    case 2:
      return Buffer.from(kind.payload).readDoubleLE(0);
    case 3:
      return string(kind);
    case 4:
      return kind.varint !== 0n;
    case 5:
      return readStruct(kind.payload, depth + 1, quirks);
    case 6:
      return readList(kind.payload, depth + 1, quirks);
    default:
      return null;
  }
}

function readList(bytes: Uint8Array, depth: number, quirks: Set<string>): readonly Json[] {
  if (depth > 100) {
    throw new Refused('metadata');
  }
  const list: Json[] = [];
  for (const field of readFields(bytes, 'metadata', quirks, LIST)) {
    if (field.number === 1) {
      list.push(readValue(field.payload, depth + 1, quirks));
    }
  }
  return list;
}

export function quote(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function isList(json: readonly Json[] | ReadonlyMap<string, Json>): json is readonly Json[] {
  return Array.isArray(json);
}

export function serialize(json: Json): string {
  if (typeof json === 'string') {
    return quote(json);
  }
  if (typeof json === 'number') {
    if (!Number.isFinite(json)) {
      return `"${json}"`;
    }
    return Object.is(json, -0) ? '-0' : String(json);
  }
  if (json === null || typeof json === 'boolean') {
    return String(json);
  }
  if (isList(json)) {
    return `[${json.map(serialize).join(',')}]`;
  }
  return `{${[...json].map(([key, item]) => `${quote(key)}:${serialize(item)}`).join(',')}}`;
}

/** RFC 3339 by way of Date. */
export function rfc3339(seconds: number, nanos: number): string {
  const prefix = new Date(seconds * 1000).toISOString().slice(0, 19);
  const digits = String(nanos).padStart(9, '0');
  if (nanos === 0) {
    return `${prefix}Z`;
  }
  const kept = digits.endsWith('000000') ? 3 : digits.endsWith('000') ? 6 : 9;
  return `${prefix}.${digits.slice(0, kept)}Z`;
}

function readLine(frame: Uint8Array, seq: number, serverTimeMs: number, quirks: Set<string>): string {
  const fields = readFields(frame, 'frame', quirks, FRAME);
  const times = fields
    .filter((field) => field.number === 2)
    .map((field) => readFields(field.payload, 'frame', quirks, TIMESTAMP));
  const sessionId = last(fields, 3, quirks)?.payload ?? new Uint8Array();
  if (sessionId.length === 0 || sessionId.length > 1024) {
    throw new Refused('session_id');
  }
  if ((last(fields, 9, quirks)?.payload.length ?? 0) > 256) {
    throw new Refused('producer_id');
  }
  for (const [number, name] of [
    [6, 'seq'],
    [10, 'producer_seq'],
  ] as const) {
    const count = int64(last(fields, number, quirks));
    if (count < 0n || count > 2n ** 53n - 1n) {
      throw new Refused(name);
    }
  }
  const time = times.at(-1);
  const seconds = time === undefined ? 0n : int64(last(time, 1, quirks));
  const nanos = time === undefined ? 0 : int32(last(time, 2, quirks));
  if (seconds < -62135596800n || seconds > 253402300799n || nanos < 0 || nanos > 999999999) {
    throw new Refused('time');
  }
  const metadata = last(fields, 8, quirks);
  const serverSeconds = Math.floor(serverTimeMs / 1000);
  const members: [string, Json | undefined][] = [
    ['seq', seq],
    [
      'time',
      time === undefined
        ? rfc3339(serverSeconds, (serverTimeMs - serverSeconds * 1000) * 1_000_000)
        : rfc3339(Number(seconds), nanos),
    ],
    ['session_id', decoder.decode(sessionId)],
    ['user_id', string(last(fields, 4, quirks)) || undefined],
    ['role', string(last(fields, 5, quirks)) || undefined],
    ['content', string(last(fields, 7, quirks)) || undefined],
    ['metadata', metadata === undefined ? undefined : readStruct(metadata.payload, 1, quirks)],
    ['version', int32(last(fields, 1, quirks)) || undefined],
    ['producer_id', string(last(fields, 9, quirks)) || undefined],
    ['producer_seq', Number(int64(last(fields, 10, quirks))) || undefined],
  ];
  return `${serialize(new Map(members.filter((member): member is [string, Json] => member[1] !== undefined)))}\n`;
}

/** The line of a frame, or the field that keeps it from being stored. */
export function reference(frame: Uint8Array, seq: number, serverTimeMs: number): Outcome {
  const quirks = new Set<string>();
  try {
    return { line: readLine(frame, seq, serverTimeMs, quirks), quirks };
  } catch (error) {
    if (error instanceof Refused) {
      return { field: error.field, quirks };
    }
    throw error;
  }
}

/** The session that a frame names, also one that can not be stored; '' when it names none, or can not be read that far. */
export function referenceSession(frame: Uint8Array): string {
  const quirks = new Set<string>();
  try {
    return string(last(readFields(frame, 'frame', quirks, FRAME), 3, quirks));
  } catch (error) {
    if (error instanceof Refused) {
      return '';
    }
    throw error;
  }
}
