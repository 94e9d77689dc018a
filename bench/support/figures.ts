/** What is measured, and how each figure is written. */

const whole = (value: number): string => Math.round(value).toLocaleString('en');
const megabytes = (value: number): string => `${Math.round(value / 1e6)} MB`;
const fixed = (digits: number, unit: string) => (value: number) => `${value.toFixed(digits)}${unit}`;

/** Title and text of each figure; the key carries the unit in JSON. */
export const FIGURES = {
  framesPerSecond: { title: 'frames/s', text: whole },
  /** Per CPU second of the server, user and system, all threads, until everything the frames caused was done. */
  framesPerCpuSecond: { title: 'frames/CPU s', text: whole },
  peakRssBytes: { title: 'peak RSS', text: megabytes },
  serverCpuSeconds: { title: 'server CPU', text: fixed(2, ' s') },
  serverSystemSeconds: { title: 'of it kernel', text: fixed(2, ' s') },
  generatorCpuSeconds: { title: 'generator CPU', text: fixed(2, ' s') },
  /** write, pwrite and writev, files and sockets alike: what the group commit saves. */
  writeCalls: { title: 'write calls', text: whole },
  megabytesPerSecond: { title: 'MB/s', text: whole },
  ackP50Ms: { title: 'ack p50', text: fixed(2, ' ms') },
  ackP99Ms: { title: 'ack p99', text: fixed(2, ' ms') },
  ackMaxMs: { title: 'ack max', text: fixed(1, ' ms') },
  /** From the sending of a line to a viewer who had it. */
  viewP50Ms: { title: 'line to viewer p50', text: fixed(2, ' ms') },
  viewP99Ms: { title: 'line to viewer p99', text: fixed(2, ' ms') },
  viewMaxMs: { title: 'line to viewer max', text: fixed(1, ' ms') },
  linesDelivered: { title: 'lines delivered', text: whole },
  linesDeliveredPerSecond: { title: 'lines delivered/s', text: whole },
  /** CPU time of the server over the lines that it delivered, to all viewers together; what it took to store them included. */
  cpuMicrosecondsPerLine: { title: 'CPU a delivered line', text: fixed(2, ' µs') },
  reconnects: { title: 'reconnects', text: whole },
  ingestCpuSeconds: { title: 'CPU of ingest alone', text: fixed(2, ' s') },
  /** Of a server whose viewers read as many lines from storage, while another one stores. */
  readingCpuSeconds: { title: "CPU of the viewers' bytes alone", text: fixed(2, ' s') },
  /** 1 and what one server takes for ingest and viewers more than two for one of them each, over ingest alone. */
  viewedIngestCost: { title: "CPU of ingest beyond the viewers' bytes, by two servers", text: fixed(2, ' ×') },
  /** CPU time of ingest with what its writer does because the session is watched, over ingest alone. */
  watchedIngestCost: { title: 'CPU of ingest of watched lines', text: fixed(3, ' ×') },
  /** CPU time of ingest while viewers are there whose sockets are full, over ingest alone. */
  stalledIngestCost: { title: 'CPU of ingest beside viewers with full sockets', text: fixed(2, ' ×') },
  syncsPerSecond: { title: 'fdatasync/s', text: whole },
  framesPerSync: { title: 'frames/fdatasync', text: fixed(1, '') },
  storedShare: { title: 'stored/raw', text: fixed(3, '') },
  /** Of the server's event loop, by its own metric since the scrape before the load: to 10 ms, rounded up. */
  longestStallMs: { title: 'longest stall', text: fixed(1, ' ms') },
  /** Resident memory that came with the sessions, garbage included, over their number: an upper bound. */
  rssBytesPerSession: { title: 'bytes of RSS a session', text: whole },
  descriptorsPerSession: { title: 'descriptors a session', text: fixed(4, '') },
  idleAfterSeconds: { title: 'all idle after', text: fixed(1, ' s') },
  startSeconds: { title: 'start', text: fixed(3, ' s') },
  startCpuSeconds: { title: 'start CPU', text: fixed(2, ' s') },
  nsPerFrame: { title: 'ns/frame', text: whole },
  /** What others took of the server's cores, of the wall time. High: the run was disturbed. */
  neighbourShare: { title: 'others', text: fixed(2, ' cores') },
} as const;

export type Figure = keyof typeof FIGURES;
export type Figures = Readonly<Partial<Record<Figure, number>>>;

export function isFigure(name: string): name is Figure {
  return name in FIGURES;
}
