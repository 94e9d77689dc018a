/** What the operating system says about processes and cores: Linux, /proc (proc(5)). */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** User and system time of all threads, ended ones too, in seconds; to 10 ms. */
export function cpuSeconds(pid: number): number {
  const { user, system } = cpuTimes(pid);
  return user + system;
}

/** Seconds of all threads, apart: in the program, and in the kernel for it. */
export function cpuTimes(pid: number): { readonly user: number; readonly system: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold spaces; fields 14 and 15 are utime and stime.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
}

/** The most memory a process had resident so far, bytes. */
export function peakRssBytes(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1]) * 1024;
}

/** What a process holds at the moment. */
export interface Residence {
  readonly rssBytes: number;
  readonly descriptors: number;
}

export function residence(pid: number): Residence {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return { rssBytes: Number(match?.[1]) * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** System calls that write, of all threads, to files and sockets. */
export function writeCalls(pid: number): number {
  const match = /^syscw: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'));
  return Number(match?.[1]);
}

/** Bytes handed to write, of all threads, to files and sockets. */
export function bytesWritten(pid: number): number {
  const match = /^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'));
  return Number(match?.[1]);
}

/** Seconds a core has worked for anybody. */
export function coreBusySeconds(core: number): number {
  const line = readFileSync('/proc/stat', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`cpu${core} `));
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (line ?? '')
    .split(' ')
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}

/** Lists of cores as taskset takes them; null in place of both when there are not two, or no taskset. */
export interface Pinning {
  readonly server: string;
  readonly generator: string;
}

/**
 * Every server may use all cores, the generator, which needs a fraction of one, only the last: a server with threads keeps what they
 * are worth, and all are treated alike.
 */
export function findPinning(): Pinning | null {
  const match = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const cores = coresOf(match?.[1] ?? '');
  const last = cores.at(-1);
  if (last === undefined || cores.length < 2 || !hasTaskset(last)) {
    return null;
  }
  return { server: cores.join(','), generator: String(last) };
}

export function coresOf(list: string): number[] {
  return list.split(',').flatMap(coresOfRange);
}

function coresOfRange(range: string): number[] {
  const [first = 0, last = first] = range.split('-').map(Number);
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
}

function hasTaskset(core: number): boolean {
  try {
    execFileSync('taskset', ['-c', String(core), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
  };
}
