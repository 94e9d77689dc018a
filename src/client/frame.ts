/** What an agent hands to the SDK. Absent fields stay absent on the wire and in the stored line. */
export interface OutgoingFrame {
  /** 1 to 1,024 bytes of UTF-8. */
  readonly sessionId: string;
  readonly content: string;
  /** Absent or 0: the server assigns the next one. */
  readonly seq?: number;
  /** Absent: the server's clock. */
  readonly time?: FrameTime;
  readonly userId?: string;
  readonly role?: string;
  readonly metadata?: JsonObject;
  readonly version?: number;
  /** With `producerSeq`, a frame sent again after a lost response is stored once. */
  readonly producerId?: string;
  readonly producerSeq?: number;
}

/** As google.protobuf.Timestamp: seconds since 1970 (negative before), nanos always counting forward. */
export interface FrameTime {
  readonly seconds: number;
  readonly nanos: number;
}

export type JsonValue = null | boolean | number | string | JsonObject | readonly JsonValue[];
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export function frameTimeOf(wallMs: number): FrameTime {
  const seconds = Math.floor(wallMs / 1000);
  return { seconds, nanos: Math.round((wallMs - seconds * 1000) * 1e6) };
}

/** The frame by the names of logging.proto, as proto-loader serializes it. */
export function toWireFrame(frame: OutgoingFrame): Record<string, unknown> {
  return {
    version: frame.version,
    time: frame.time,
    session_id: frame.sessionId,
    user_id: frame.userId,
    role: frame.role,
    seq: frame.seq,
    content: frame.content,
    metadata: frame.metadata === undefined ? undefined : toStruct(frame.metadata),
    producer_id: frame.producerId,
    producer_seq: frame.producerSeq,
  };
}

/** google.protobuf.Struct and Value, for which proto-loader has no JSON mapping, by the names protobufjs brings them under. */
function toStruct(object: JsonObject): unknown {
  return { fields: Object.fromEntries(Object.entries(object).map(([key, value]) => [key, toValue(value)])) };
}

function toValue(value: JsonValue): unknown {
  if (value === null) {
    return { nullValue: 0 };
  }
  switch (typeof value) {
    case 'boolean':
      return { boolValue: value };
    case 'number':
      return { numberValue: value };
    case 'string':
      return { stringValue: value };
    default:
      return isList(value) ? { listValue: { values: value.map(toValue) } } : { structValue: toStruct(value) };
  }
}

function isList(value: JsonObject | readonly JsonValue[]): value is readonly JsonValue[] {
  return Array.isArray(value);
}
