import { compressSegment } from '../../../src/sealing/compress-segment.js';
import type { Compressor } from '../../../src/sealing/compressor.js';
import { SealingError } from '../../../src/sealing/sealing-error.js';
import type { ThreadDisk, ThreadFile } from '../../../src/sealing/thread-disk.js';
import type { CompressionRequest, CompressionResult } from '../../../src/sealing/worker-protocol.js';
import type { FileNode } from './disk.js';
import type { DiskCall } from './disk-weather.js';
import type { DiskAccess } from './simulated-files.js';

/** The machine goes, or the thread: whatever it was doing. */
class Gone extends Error {}

/**
 * Compresses by the same algorithm as the threads, over the disk in memory. A job is one event; a crash, and the
 * thread's death, may come before any of its calls.
 */
export class SimulatedCompressor implements Compressor {
  readonly #access: DiskAccess;
  readonly #calls: SimulatedThreadDisk;
  readonly #disk: ThreadDisk;
  readonly #crash: () => void;
  readonly #crashes: number;

  /**
   * @param crashes how often, of 1, a job ends the process
   * @param wrap what a planted bug puts around the disk
   */
  constructor(access: DiskAccess, crashes: number, crash: () => void, wrap: (disk: ThreadDisk) => ThreadDisk) {
    this.#access = access;
    this.#calls = new SimulatedThreadDisk(access);
    this.#disk = wrap(this.#calls);
    this.#crashes = crashes;
    this.#crash = crash;
  }

  run(request: CompressionRequest): Promise<CompressionResult> {
    const { clock, random } = this.#access;
    return new Promise((resolve, reject) => {
      clock.labelled(random.next() * 20, `compress ${request.rawPath}`, () => {
        const crashes = random.chance(this.#crashes);
        const dies = !crashes && random.chance(this.#crashes);
        this.#calls.callsLeft = crashes || dies ? random.between(0, 12) : Number.POSITIVE_INFINITY;
        try {
          const result = compressSegment(request, () => undefined, this.#disk);
          clock.labelled(random.next() * 5, `compressed ${request.rawPath}`, () => resolve(result));
        } catch (error) {
          if (!(error instanceof Gone)) {
            this.#clear(request);
            reject(error);
          } else if (crashes) {
            this.#crash();
          } else {
            reject(new SealingError('worker', 'the compression thread failed'));
          }
        }
      });
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** As the thread does with what it could not finish. */
  #clear({ targetPath }: CompressionRequest): void {
    this.#calls.callsLeft = Number.POSITIVE_INFINITY;
    this.#access.disk.remove(targetPath);
  }
}

class SimulatedThreadDisk implements ThreadDisk {
  callsLeft = Number.POSITIVE_INFINITY;
  readonly #access: DiskAccess;

  constructor(access: DiskAccess) {
    this.#access = access;
  }

  open(path: string, mode: 'create' | 'readwrite' | 'read'): ThreadFile {
    const { disk, clock } = this.#access;
    this.called(mode === 'create' ? 'create' : 'open');
    const node = mode === 'create' ? disk.create(path, clock.wallMs()) : disk.file(path);
    return this.#opened(node);
  }

  remove(path: string): void {
    this.called('remove');
    this.#access.disk.remove(path);
  }

  link(path: string, second: string): void {
    this.called('link');
    this.#access.disk.link(second, this.#access.disk.file(path));
  }

  copy(path: string, target: string): void {
    this.called('create');
    const { disk, clock } = this.#access;
    disk.create(target, clock.wallMs()).content.write(0, Buffer.from(disk.file(path).content.bytes));
  }

  called(call: DiskCall): void {
    if (this.callsLeft === 0) {
      throw new Gone();
    }
    this.callsLeft--;
    const error = this.#access.weather.errorOf(call);
    if (error !== null) {
      throw error;
    }
  }

  #opened({ content }: FileNode): ThreadFile {
    const { weather, random } = this.#access;
    return {
      read: (buffer, offset, length, position) => {
        this.called('read');
        const end = Math.min(content.bytes.length, position + length);
        return content.bytes.copy(buffer, offset, Math.min(position, end), end);
      },
      write: (buffer, offset, length, position) => {
        this.called('write');
        const taken = weather.takenOf(length);
        content.write(position, Buffer.from(buffer.subarray(offset, offset + taken)));
        return taken;
      },
      sync: () => {
        try {
          this.called('fdatasync');
        } catch (error) {
          if (!(error instanceof Gone)) {
            content.failSync(random);
          }
          throw error;
        }
        content.sync(content.pending);
      },
      close: () => undefined,
    };
  }
}
