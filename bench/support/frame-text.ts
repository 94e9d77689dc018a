/** What stands in a frame's content: a function of the dice, so that the checker can make it again. */
import type { Dice } from './dice.js';
import { realTextLines } from './real-text.js';

/** What an agent says (30 to 180 bytes), one alphabet at a length, or lines of the machine's own documentation. */
export type FrameText =
  | { readonly kind: 'agent' }
  | { readonly kind: 'ascii' | 'cjk' | 'quotes'; readonly bytes: number }
  | { readonly kind: 'real' };

const TEXT_BYTES_MIN = 30;
const TEXT_BYTES_SPAN = 105;

const FRAGMENTS = [
  'opened src/main.ts',
  'read 212 lines',
  'GET /v1/models 200',
  'npm warn deprecated glob@7.2.3',
  'compiled in 1.8s',
  'retrying after',
  'expected 4, got',
  'waiting for lock',
  'wrote',
  'bytes to cache',
  'token budget left:',
  'tests/unit/parser_test.py PASSED',
  'fetch origin',
  'checked out 3f9c2ab',
  'KeyError:',
  'plan step',
  'calling tool',
  'connection reset by peer',
  'queue depth',
  'docker build --tag app:',
  'layer cached',
  'I will look at the failing case first.',
  'Then the fix is to close the handle before',
  'renaming',
  'exit code',
  'http://127.0.0.1:8080/healthz',
];
/** What JSON escapes or UTF-8 makes longer: one fragment in SPECIAL_EVERY, about one frame in eight. */
const SPECIAL_FRAGMENTS = [
  'the test "keeps order" failed:',
  'C:\\agent\\work',
  'Traceback (most recent call last):\n',
  'höher als erwartet',
  '测试通过 ✅',
  '\tat Object.<anonymous>',
];
const SPECIAL_EVERY = 32;

const PHRASES = {
  ascii: [' The agent opened src/main.ts and changed', ' three lines of it;', ' then it ran the tests', ' again,'],
  cjk: ['代理打开了文件', '🚀🧪✅', '并更改了三行内容，', '然后运行了测试。', '🎉'],
  quotes: [' {"path":"C:\\\\agent",', '"out":"a\\tb"}\n', ' said "no"\n', '\t"x"'],
} as const;
/** A long text repeats a block of this many phrases, which the dice choose: making 1 MiB phrase by phrase would take longer than measuring it. */
const BLOCK_PHRASES = 256;

/** Begins with `<stream>.<index>`. */
export function frameText(text: FrameText, dice: Dice, stream: number, index: number): string {
  const head = `${stream}.${index}`;
  switch (text.kind) {
    case 'agent':
      return agentText(head, dice);
    case 'real': {
      const lines = realTextLines();
      return `${head} ${lines[dice.roll(lines.length)] ?? ''}`;
    }
    default:
      return filled(`${head} `, PHRASES[text.kind], dice, text.bytes);
  }
}

/** 95 bytes on average. */
function agentText(head: string, dice: Dice): string {
  const length = TEXT_BYTES_MIN + dice.roll(TEXT_BYTES_SPAN);
  let text = head;
  while (text.length < length) {
    const number = dice.roll(1_000_000);
    const fragment = dice.pick(number % SPECIAL_EVERY === 0 ? SPECIAL_FRAGMENTS : FRAGMENTS);
    text += number % 3 === 0 ? ` ${fragment} ${number}` : ` ${fragment}`;
  }
  return text;
}

/** As close to `bytes` of UTF-8 as whole characters allow. */
function filled(head: string, phrases: readonly string[], dice: Dice, bytes: number): string {
  const room = bytes - head.length;
  let block = '';
  let blockBytes = 0;
  for (let phrase = 0; phrase < BLOCK_PHRASES && blockBytes < room; phrase++) {
    const chosen = dice.pick(phrases);
    block += chosen;
    blockBytes += Buffer.byteLength(chosen);
  }
  const whole = Buffer.from(block.repeat(Math.ceil(room / blockBytes)));
  let end = Math.min(room, whole.length);
  // Not in the middle of a character.
  while (end > 0 && ((whole[end] ?? 0) & 0xc0) === 0x80) {
    end--;
  }
  return head + whole.toString('utf8', 0, end);
}
