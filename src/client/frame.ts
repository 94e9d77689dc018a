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
