import { fileURLToPath } from 'node:url';
import { type AnyDefinition, loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { rfc3339 } from './reference.js';

interface DecodedFrame {
  readonly version: number;
  readonly time: { readonly seconds: string; readonly nanos: number } | null;
  readonly session_id: string;
  readonly user_id: string;
  readonly role: string;
  readonly content: string;
  readonly metadata: DecodedStruct | null;
  readonly producer_id: string;
  readonly producer_seq: string;
}

interface DecodedStruct {
  readonly fields: Record<string, DecodedValue | null>;
}

interface DecodedValue {
  readonly kind?: string;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: DecodedStruct;
  readonly listValue?: { readonly values: readonly DecodedValue[] };
}

const proto = loadSync('services/logging/v1/logging.proto', {
  includeDirs: [fileURLToPath(new URL('../../protos', import.meta.url))],
  longs: String,
  keepCase: true,
  defaults: true,
  oneofs: true,
});
const service = proto['logging.v1.LogService'];
if (service === undefined || !isService(service)) {
  throw new Error('logging.proto has no LogService');
}
const deserialize = service['WriteLogStream']?.requestDeserialize;

function isService(definition: AnyDefinition): definition is ServiceDefinition {
  return !('format' in definition);
}

function isFrame(message: object | undefined): message is DecodedFrame {
  return message !== undefined && 'session_id' in message;
}

/** Throws when protobufjs does. */
export function decode(bytes: Buffer): DecodedFrame {
  const frame = deserialize?.(bytes);
  if (!isFrame(frame)) {
    throw new TypeError('protobufjs decoded no LogFrame');
  }
  return frame;
}

/** What protobufjs makes of a frame, put through protobuf's JSON mapping. */
export function mapped(bytes: Buffer, seq: number, serverTimeMs: number): Record<string, unknown> {
  const frame = decode(bytes);
  const time =
    frame.time === null
      ? rfc3339(Math.floor(serverTimeMs / 1000), (((serverTimeMs % 1000) + 1000) % 1000) * 1_000_000)
      : rfc3339(Number(frame.time.seconds), frame.time.nanos);
  const json: Record<string, unknown> = {
    seq,
    time,
    session_id: frame.session_id,
    user_id: frame.user_id,
    role: frame.role,
    content: frame.content,
    metadata: frame.metadata === null ? '' : mappedStruct(frame.metadata),
    version: frame.version,
    producer_id: frame.producer_id,
    producer_seq: Number(frame.producer_seq),
  };
  return Object.fromEntries(Object.entries(json).filter(([, item]) => item !== '' && item !== 0));
}

function mappedStruct(struct: DecodedStruct): Record<string, unknown> {
  // As JSON.parse does it: "__proto__" is a key like any other.
  return Object.fromEntries(Object.entries(struct.fields).map(([key, item]) => [key, mappedValue(item)]));
}

function mappedValue(item: DecodedValue | null): unknown {
  switch (item?.kind) {
    case 'numberValue':
      return Number.isFinite(item.numberValue) ? item.numberValue : String(item.numberValue);
    case 'stringValue':
      return item.stringValue;
    case 'boolValue':
      return item.boolValue;
    case 'structValue':
      return mappedStruct(item.structValue ?? { fields: {} });
    case 'listValue':
      return item.listValue?.values.map(mappedValue);
    default:
      return null;
  }
}
