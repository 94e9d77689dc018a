/** A protobuf writer that also writes what no serializer would: any field in any wire type, any order, any number. */

export type Bytes = Uint8Array;

export function join(...parts: readonly Bytes[]): Buffer {
  return Buffer.concat(parts);
}

/** @param value as uint64: a negative number is its two's complement, as int32 and int64 have it */
export function varint(value: bigint | number): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** A varint in more bytes than it needs. */
export function paddedVarint(value: bigint | number, length: number): Buffer {
  const bytes = Buffer.alloc(length, 0x80);
  const shortest = varint(value);
  shortest.copy(bytes);
  bytes.writeUInt8(bytes.readUInt8(shortest.length - 1) | 0x80, shortest.length - 1);
  bytes.writeUInt8(bytes.readUInt8(length - 1) & 0x7f, length - 1);
  return bytes;
}

export function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

export function varintField(field: number, value: bigint | number): Buffer {
  return join(tag(field, 0), varint(value));
}

export function fixed64Field(field: number, payload: Bytes): Buffer {
  return join(tag(field, 1), payload);
}

export function doubleField(field: number, value: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeDoubleLE(value);
  return fixed64Field(field, payload);
}

export function delimited(field: number, payload: Bytes | string): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return join(tag(field, 2), varint(bytes.length), bytes);
}

export function group(field: number, ...content: readonly Bytes[]): Buffer {
  return join(tag(field, 3), ...content, tag(field, 4));
}

export function fixed32Field(field: number, payload: Bytes): Buffer {
  return join(tag(field, 5), payload);
}

export function timestamp(seconds: bigint | number, nanos: number): Buffer {
  return join(varintField(1, seconds), varintField(2, nanos));
}

/** google.protobuf.Value with one kind. */
export const value = {
  null: (): Buffer => varintField(1, 0),
  number: (number: number): Buffer => doubleField(2, number),
  string: (text: Bytes | string): Buffer => delimited(3, text),
  bool: (bool: boolean): Buffer => varintField(4, bool ? 1 : 0),
  struct: (...entries: readonly Bytes[]): Buffer => delimited(5, join(...entries)),
  list: (...values: readonly Bytes[]): Buffer => delimited(6, join(...values.map((item) => delimited(1, item)))),
};

/** An entry of google.protobuf.Struct. */
export function entry(key: Bytes | string, item: Bytes): Buffer {
  return delimited(1, join(delimited(1, key), delimited(2, item)));
}

/** Field numbers of LogFrame. */
export const FIELD = {
  version: 1,
  time: 2,
  sessionId: 3,
  userId: 4,
  role: 5,
  seq: 6,
  content: 7,
  metadata: 8,
  producerId: 9,
  producerSeq: 10,
} as const;
