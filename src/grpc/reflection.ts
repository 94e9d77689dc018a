/**
 * gRPC server reflection, v1 and v1alpha (one wire under two names), protos/grpc/reflection.
 *
 * A descriptor goes out as the very bytes `buf build --as-file-descriptor-set` made of it: decoded and encoded again, as
 * `@grpc/reflection` does it, it loses what the codec does not know, and clients refuse it (grpc-node #3018, #3034). So
 * this reads names and imports off those bytes and keeps nothing else of them.
 *
 * *Ordering*: the requests of a stream are answered one by one, in the order they came, and the stream ends after the
 * last answer once the client half-closes. *Bounded*: while a client does not read its answers, no more of its requests
 * are read. *Fail-soft*: a request that asks for what is not there gets an error as its answer and the stream goes on;
 * only bytes that are no ServerReflectionRequest end the call (INTERNAL).
 */
import { type MethodDefinition, type Server, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { DELIMITED, WireReader } from '../frame/wire.js';

const SERVICES = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];

/**
 * Adds the reflection services to a server that has not started.
 *
 * @param descriptorSet a serialized google.protobuf.FileDescriptorSet with all imports
 * @param services full names of the services to list. One that the set does not describe is left out: whoever is told of
 *   a service asks for its file next.
 * @throws when the set is malformed or lacks a file that another imports
 */
export function addReflection(server: Server, descriptorSet: Buffer, services: readonly string[]): void {
  const descriptors = new Descriptors(descriptorSet);
  const listed = services.filter((service) => descriptors.kindOf(service) === 'service');
  const method: Omit<MethodDefinition<Request, Buffer>, 'path'> = {
    requestStream: true,
    responseStream: true,
    requestSerialize: (request) => request.bytes,
    // A throw in here is gRPC's own INTERNAL; in the handler it would be the process's end.
    requestDeserialize: readRequest,
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
  };
  const answerAll = (call: ServerDuplexStream<Request, Buffer>) => {
    call.on('data', (request: Request) => {
      if (!call.write(answer(request, descriptors, listed))) {
        call.pause();
        call.once('drain', () => call.resume());
      }
    });
    call.on('end', () => call.end());
  };
  for (const service of SERVICES) {
    const definition = { ServerReflectionInfo: { ...method, path: `/${service}/ServerReflectionInfo` } };
    server.addService(definition, { ServerReflectionInfo: answerAll });
  }
}

interface Request {
  readonly bytes: Buffer;
  readonly host: Buffer;
  /** The number of the field that is set in `message_request`; 0: none that is known. */
  readonly question: number;
  readonly argument: Buffer;
}

function readRequest(bytes: Buffer): Request {
  let host: Buffer = Buffer.alloc(0);
  let question = 0;
  let argument = host;
  for (const [number, payload] of delimitedFields(bytes)) {
    if (number === 1) {
      host = payload;
    } else if (number >= 3 && number <= 7) {
      // Of a oneof the last one counts.
      question = number;
      argument = payload;
    }
  }
  return { bytes, host, question, argument };
}

function answer(request: Request, descriptors: Descriptors, services: readonly string[]): Buffer {
  return Buffer.concat([field(1, request.host), field(2, request.bytes), outcome(request, descriptors, services)]);
}

/** The `message_response` of an answer. */
function outcome(request: Request, descriptors: Descriptors, services: readonly string[]): Buffer {
  const name = request.argument.toString();
  switch (request.question) {
    case 3:
      return files(descriptors.fileAndImports(name)) ?? failure(status.NOT_FOUND, `no file ${name}`);
    case 4:
      return files(descriptors.declaring(name)) ?? failure(status.NOT_FOUND, `no symbol ${name}`);
    case 5:
      return failure(status.NOT_FOUND, 'no such extension: there are none here');
    case 6:
      return descriptors.kindOf(name) === 'message'
        ? field(5, field(1, request.argument))
        : failure(status.NOT_FOUND, `no message type ${name}`);
    case 7:
      return field(6, Buffer.concat(services.map((service) => field(1, field(1, Buffer.from(service))))));
    default:
      return failure(status.UNIMPLEMENTED, 'no question that is known here');
  }
}

function files(descriptors: readonly Buffer[] | null): Buffer | null {
  return descriptors && field(4, Buffer.concat(descriptors.map((descriptor) => field(1, descriptor))));
}

function failure(code: status, message: string): Buffer {
  // Status codes are below 17: one byte of varint.
  return field(7, Buffer.concat([Buffer.from([0x08, code]), field(2, Buffer.from(message))]));
}

type Kind = 'file' | 'message' | 'enum' | 'service' | 'member';

/** Which fields of a descriptor (google/protobuf/descriptor.proto) hold the declarations within it, and of what kind. */
const DECLARATIONS: Readonly<Record<Kind, Readonly<Record<number, Kind>>>> = {
  file: { 4: 'message', 5: 'enum', 6: 'service', 7: 'member' },
  message: { 2: 'member', 3: 'message', 4: 'enum', 6: 'member', 8: 'member' },
  enum: { 2: 'member' },
  service: { 2: 'member' },
  member: {},
};

interface File {
  readonly descriptor: Buffer;
  readonly imports: readonly string[];
}

/** The files of a descriptor set by their names and by the names declared in them. */
class Descriptors {
  readonly #files = new Map<string, File>();
  readonly #symbols = new Map<string, { readonly file: string; readonly kind: Kind }>();

  constructor(descriptorSet: Buffer) {
    for (const descriptor of all(1, descriptorSet)) {
      const file = text(1, descriptor);
      this.#files.set(file, { descriptor, imports: all(3, descriptor).map(String) });
      const packageName = text(2, descriptor);
      this.#index(file, 'file', descriptor, packageName === '' ? '' : `${packageName}.`);
    }
    for (const [file, { imports }] of this.#files) {
      const missing = imports.find((name) => !this.#files.has(name));
      if (missing !== undefined) {
        throw new Error(`the descriptor set lacks ${missing}, which ${file} imports`);
      }
    }
  }

  kindOf(symbol: string): Kind | undefined {
    return this.#symbols.get(symbol)?.kind;
  }

  /** As `fileAndImports`, of the file that declares `symbol`, its fully qualified name without a leading dot. */
  declaring(symbol: string): Buffer[] | null {
    const declaration = this.#symbols.get(symbol);
    return declaration === undefined ? null : this.fileAndImports(declaration.file);
  }

  /** The file first, then everything it imports, directly or not, each once; null when there is no such file. */
  fileAndImports(name: string): Buffer[] | null {
    if (!this.#files.has(name)) {
      return null;
    }
    const reached = new Set([name]);
    const descriptors: Buffer[] = [];
    // A set's iteration comes to what is added on the way.
    for (const each of reached) {
      // The constructor has seen that every import is there.
      const { descriptor, imports } = this.#files.get(each)!;
      descriptors.push(descriptor);
      for (const imported of imports) {
        reached.add(imported);
      }
    }
    return descriptors;
  }

  #index(file: string, kind: Kind, descriptor: Buffer, scope: string): void {
    for (const [number, declaration] of delimitedFields(descriptor)) {
      const declared = DECLARATIONS[kind][number];
      if (declared === undefined) {
        continue;
      }
      const symbol = scope + text(1, declaration);
      this.#symbols.set(symbol, { file, kind: declared });
      // As in C++, an enum's values stand beside it and not within.
      this.#index(file, declared, declaration, declared === 'enum' ? scope : `${symbol}.`);
    }
  }
}

function all(number: number, message: Buffer): Buffer[] {
  return Array.from(delimitedFields(message)).flatMap(([each, payload]) => (each === number ? [payload] : []));
}

function text(number: number, message: Buffer): string {
  return all(number, message).at(-1)?.toString() ?? '';
}

/** The length-delimited fields of a protobuf message, in order, as views of its bytes. @throws when it is malformed */
function* delimitedFields(message: Buffer): Generator<[number: number, payload: Buffer]> {
  const reader = new WireReader();
  let position = 0;
  while (position < message.length) {
    const behindTag = reader.readTag(message, position, message.length);
    const tag = reader.tag;
    position = behindTag < 0 ? -1 : reader.skip(message, behindTag, message.length, tag);
    if (position < 0) {
      throw new Error('malformed protobuf message');
    }
    if ((tag & 7) === DELIMITED) {
      yield [tag >>> 3, message.subarray(reader.payload, position)];
    }
  }
}

/** A length-delimited field of a number below 16, whose tag is one byte. */
function field(number: number, payload: Buffer): Buffer {
  const head = [number * 8 + DELIMITED];
  let rest = payload.length;
  for (; rest > 0x7f; rest >>>= 7) {
    head.push((rest & 0x7f) | 0x80);
  }
  head.push(rest);
  return Buffer.concat([Buffer.from(head), payload]);
}
