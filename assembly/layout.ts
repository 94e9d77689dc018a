/**
 * Where things stand in the module's memory. It is of a fixed size, so that no views of it ever go stale on the other side:
 *
 *     0           tables, the session's id, results (laid out by the compiler, below 128 KiB)
 *     IN          the piece of frames: 4 MiB, the largest batch that the default LOG_MAX_FRAME_BYTES allows
 *     OUT         the lines: 7 MiB, a frame of 1 MiB (the default, again) with every byte escaped as \u0007
 *
 * Pages that no piece has reached cost nothing: a run ends after some 256 KiB of lines, so that usual ones stay in the
 * cache, and only large frames reach further.
 *
 * Vectors of 16 bytes are loaded and stored at the last byte of each, hence the slack behind both.
 */
export const IN: usize = 128 << 10;
export const IN_BYTES: usize = 4 << 20;
const SLACK: usize = 64 << 10;
export const OUT: usize = IN + IN_BYTES + SLACK;
export const OUT_BYTES: usize = 7 << 20;
/** 128 KiB, 4 MiB, 64 KiB, 7 MiB and 64 KiB in pages of 64 KiB: initialMemory and maximumMemory in asconfig.json. */
const PAGES = 2 + 64 + 1 + 112 + 1;

export const SESSION_ID_BYTES_MAX: usize = 1024;
export const PRODUCER_ID_BYTES_MAX: usize = 256;

export const SESSION_ID: usize = memory.data(1024 + 16, 16);
/** `","session_id":` and the id, each byte of it escaped. */
export const ID_JSON: usize = memory.data(16 + 1024 * 6 + 2 + 16, 16);
export const PRODUCER_ID: usize = memory.data(256 + 16, 16);

/** What encodeRun leaves: seven 32-bit integers, then two doubles. */
export const RESULTS: usize = memory.data(48, 16);

if (__heap_base > IN || memory.size() != PAGES) {
  unreachable();
}

/** Copies ASCII to where a table has it. */
export function put(text: string, at: usize): usize {
  for (let i = 0; i < text.length; i++) {
    store<u8>(at + i, <u8>text.charCodeAt(i));
  }
  return at;
}

/** Whether `length` bytes are the same. May read, but not judge, 7 bytes behind them. */
export function equal(a: usize, b: usize, length: usize): bool {
  let i: usize = 0;
  for (; i + 8 <= length; i += 8) {
    if (load<u64>(a + i) != load<u64>(b + i)) {
      return false;
    }
  }
  const rest = length - i;
  return rest == 0 || (load<u64>(a + i) ^ load<u64>(b + i)) << (u64(8 - rest) * 8) == 0;
}

/** Copies `length` bytes and up to 15 of what is behind them. */
export function copyShort(from: usize, length: usize, to: usize): usize {
  for (let i: usize = 0; i < length; i += 16) {
    v128.store(to + i, v128.load(from + i));
  }
  return to + length;
}
