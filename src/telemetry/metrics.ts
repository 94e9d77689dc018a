import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/**
 * Counts that the hot path keeps as plain numbers; a scrape reads them. A prom-client counter costs a label lookup per
 * call, which is more than encoding a short frame.
 */
export interface IngestCounts {
  framesReceived: number;
  framesWritten: number;
  framesDuplicate: number;
  bytesReceived: number;
  bytesWritten: number;
  batchesWritten: number;
}

/** Read at each scrape. */
export interface GaugeSources {
  openSessions(): number;
  openFiles(): number;
  queueBytes(): number;
  compressionQueue(): number;
  outboxRecords(): number;
  /** Seconds; 0 when the outbox is empty. */
  outboxOldestSeconds(): number;
  redisUp(): boolean;
}

/** What peers use of the gRPC server, read at each scrape. */
export interface GrpcUsage {
  readonly connections: number;
  readonly streams: number;
  readonly receiveBytes: number;
}

/** How somebody reads lines: `http` is a download of history. */
export type ViewerKind = 'sse' | 'websocket' | 'http' | 'grpc';

/** All metrics of the process. Never labelled by session or user: ten thousand sessions would make a scrape of megabytes. */
export class Metrics {
  readonly registry = new Registry();
  readonly ingest: IngestCounts = {
    framesReceived: 0,
    framesWritten: 0,
    framesDuplicate: 0,
    bytesReceived: 0,
    bytesWritten: 0,
    batchesWritten: 0,
  };

  readonly framesRefused: Counter<'reason'>;
  readonly seals: Counter<'reason'>;
  readonly completions: Counter;
  readonly fsyncSeconds: Histogram;
  readonly fsyncFailures: Counter;
  readonly diskErrors: Counter<'code'>;
  readonly writeToDurableSeconds: Histogram;
  readonly compressionSeconds: Histogram;
  readonly compressionRatio: Histogram;
  readonly compressionInputBytes: Counter;
  readonly compressionOutputBytes: Counter;
  readonly compressionFailures: Counter;
  readonly announcements: Counter<'result'>;
  readonly quarantinedBytes: Counter;
  readonly grpcHandled: Counter<'grpc_method' | 'grpc_code'>;
  readonly streamsEnded: Counter<'reason'>;
  readonly connectionsRefused: Counter<'reason'>;
  readonly viewersOpen: Gauge<'kind'>;
  readonly linesDelivered: Counter;

  constructor(build: { version: string }) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    const buildInfo = new Gauge({
      name: 'logweir_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['version', 'node'],
      registers,
    });
    buildInfo.set({ version: build.version, node: process.version }, 1);

    const count = (name: string, help: string, read: () => number): void => {
      const counter = new Counter({
        name,
        help,
        registers,
        collect: () => {
          counter.reset();
          counter.inc(read());
        },
      });
    };
    count(
      'logweir_frames_received_total',
      'Frames that were accepted, duplicates included.',
      () => this.ingest.framesReceived,
    );
    count(
      'logweir_frames_written_total',
      'Frames whose line was handed to the operating system.',
      () => this.ingest.framesWritten,
    );
    count(
      'logweir_frames_duplicate_total',
      'Frames dropped because the session had them already.',
      () => this.ingest.framesDuplicate,
    );
    count('logweir_received_bytes_total', 'Protobuf bytes of received frames.', () => this.ingest.bytesReceived);
    count(
      'logweir_written_bytes_total',
      'NDJSON bytes handed to the operating system.',
      () => this.ingest.bytesWritten,
    );
    count('logweir_batches_written_total', 'Writes to segment files.', () => this.ingest.batchesWritten);

    this.framesRefused = new Counter({
      name: 'logweir_frames_refused_total',
      help: 'Frames that were not stored, by reason; each was reported to its sender.',
      labelNames: ['reason'],
      registers,
    });
    this.seals = new Counter({
      name: 'logweir_seals_total',
      help: 'Segments sealed, by reason.',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of ['size', 'age', 'idle', 'complete', 'recovery']) {
      this.seals.inc({ reason }, 0);
    }
    this.completions = new Counter({
      name: 'logweir_completions_total',
      help: 'Sessions that were completed; the same told again is not counted.',
      registers,
    });
    this.fsyncSeconds = new Histogram({
      name: 'logweir_fsync_seconds',
      help: 'Time of one fdatasync of a segment file.',
      buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    });
    this.fsyncFailures = new Counter({
      name: 'logweir_fsync_failures_total',
      help: 'fdatasync calls that failed.',
      registers,
    });
    this.diskErrors = new Counter({
      name: 'logweir_disk_errors_total',
      help: 'Failed file operations, by error code.',
      labelNames: ['code'],
      registers,
    });
    this.writeToDurableSeconds = new Histogram({
      name: 'logweir_write_to_durable_seconds',
      help: "From the arrival of a batch's first frame until the batch is as durable as LOG_FSYNC promises.",
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    });
    this.compressionSeconds = new Histogram({
      name: 'logweir_compression_seconds',
      help: 'Time to compress and verify one segment.',
      buckets: [0.001, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30],
      registers,
    });
    this.compressionRatio = new Histogram({
      name: 'logweir_compression_ratio',
      help: 'NDJSON bytes of a segment by its compressed bytes.',
      buckets: [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 50],
      registers,
    });
    this.compressionInputBytes = new Counter({
      name: 'logweir_compression_input_bytes_total',
      help: 'NDJSON bytes of finished segments.',
      registers,
    });
    this.compressionOutputBytes = new Counter({
      name: 'logweir_compression_output_bytes_total',
      help: 'Bytes of finished segments on disk.',
      registers,
    });
    this.compressionFailures = new Counter({
      name: 'logweir_compression_failures_total',
      help: 'Attempts to compress a segment that failed; each is tried again.',
      registers,
    });
    this.announcements = new Counter({
      name: 'logweir_announcements_total',
      help: 'Attempts to announce an event, by result (announced, failed).',
      labelNames: ['result'],
      registers,
    });
    this.quarantinedBytes = new Counter({
      name: 'logweir_quarantined_bytes_total',
      help: 'Bytes that recovery moved into quarantine.',
      registers,
    });
    this.grpcHandled = new Counter({
      name: 'grpc_server_handled_total',
      help: 'Finished RPCs, by method and status code.',
      labelNames: ['grpc_method', 'grpc_code'],
      registers,
    });
    this.streamsEnded = new Counter({
      name: 'logweir_streams_ended_total',
      help: 'Streams that the server ended for a limit, by reason; each may be made again.',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of ['overload', 'limit', 'first_frame', 'idle', 'connection_age', 'stalled']) {
      this.streamsEnded.inc({ reason }, 0);
    }
    this.connectionsRefused = new Counter({
      name: 'logweir_connections_refused_total',
      help: 'Connections to the gRPC port that were closed at once: over the limit, or no HTTP/2 handshake.',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of ['limit', 'handshake']) {
      this.connectionsRefused.inc({ reason }, 0);
    }
    this.viewersOpen = new Gauge({
      name: 'logweir_viewers_open',
      help: 'Who is being sent lines: as sse, websocket, http (downloads) or grpc (StreamSessionLogs).',
      labelNames: ['kind'],
      registers,
    });
    for (const kind of ['sse', 'websocket', 'http', 'grpc'] satisfies ViewerKind[]) {
      this.viewersOpen.set({ kind }, 0);
    }
    this.linesDelivered = new Counter({
      name: 'logweir_lines_delivered_total',
      help: 'Lines handed to the sockets of viewers.',
      registers,
    });
  }

  /** Connects the gauges to the parts that know; once, when the service is composed. */
  observe(sources: GaugeSources): void {
    this.#gauge('logweir_sessions_open', 'Sessions held in memory.', () => sources.openSessions());
    this.#gauge('logweir_files_open', 'Open active segment files.', () => sources.openFiles());
    this.#gauge(
      'logweir_queue_bytes',
      'Encoded lines that are held in memory: not durable yet, or with LOG_FSYNC=never not written.',
      () => sources.queueBytes(),
    );
    this.#gauge('logweir_compression_queue_segments', 'Sealed segments whose steps are not all done.', () =>
      sources.compressionQueue(),
    );
    this.#gauge('logweir_outbox_records', 'Events that are not announced yet.', () => sources.outboxRecords());
    this.#gauge(
      'logweir_outbox_oldest_seconds',
      'Age of the oldest event that is not announced yet; 0 when there is none.',
      () => sources.outboxOldestSeconds(),
    );
    this.#gauge(
      'logweir_redis_up',
      '1 while the Redis connection is usable, else 0 (also when none is configured).',
      () => (sources.redisUp() ? 1 : 0),
    );
  }

  /** The same for the gRPC server, which knows by itself. */
  observeGrpc(usage: () => GrpcUsage): void {
    this.#gauge('logweir_connections_open', 'Connections to the gRPC port.', () => usage().connections);
    this.#gauge('logweir_streams_open', 'Open calls that bring frames.', () => usage().streams);
    this.#gauge(
      'logweir_receive_bytes',
      'Memory claimed for large messages that are still arriving, and for inflating compressed ones.',
      () => usage().receiveBytes,
    );
  }

  #gauge(name: string, help: string, read: () => number): void {
    const registers = [this.registry];
    const instrument: Gauge = new Gauge({ name, help, registers, collect: () => instrument.set(read()) });
  }
}
