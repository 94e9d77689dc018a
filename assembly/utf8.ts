/**
 * Whether text is UTF-8, 16 bytes at a time, by John Keiser and Daniel Lemire (Validating UTF-8 in less than one instruction per
 * byte, 2021; https://arxiv.org/abs/2010.03090): each pair of neighbours is looked up by three half-bytes, and what all
 * three tables hold against it is an error.
 */
// prettier-ignore
const FIRST_HIGH = i8x16(2, 2, 2, 2, 2, 2, 2, 2, -128, -128, -128, -128, 33, 1, 21, 73);
// prettier-ignore
const FIRST_LOW = i8x16(-25, -93, -125, -125, -117, -53, -53, -53, -53, -53, -53, -53, -53, -37, -53, -53);
// prettier-ignore
const SECOND_HIGH = i8x16(1, 1, 1, 1, 1, 1, 1, 1, -26, -82, -70, -70, 1, 1, 1, 1);

/** May read, but not judge, 15 bytes behind the text. */
export function isUtf8(start: usize, end: usize): bool {
  let before = i64x2.splat(0);
  let errors = i64x2.splat(0);
  let i = start;
  for (; i + 16 <= end; i += 16) {
    const bytes = v128.load(i);
    errors = v128.or(errors, errorsOf(before, bytes));
    before = bytes;
  }
  // The last 0 to 15 bytes; the zeros behind them show a sequence that does not end.
  const lanes = i8x16.lt_u(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>(end - i)));
  errors = v128.or(errors, errorsOf(before, v128.and(v128.load(i), lanes)));
  return !v128.any_true(errors);
}

// @ts-ignore: decorators of functions are AssemblyScript's
@inline
function errorsOf(before: v128, bytes: v128): v128 {
  const low = i8x16.splat(15);
  // The bytes one, two and three earlier.
  const first = v128.shuffle<u8>(before, bytes, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
  const second = v128.shuffle<u8>(before, bytes, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
  const third = v128.shuffle<u8>(before, bytes, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28);
  const pairs = v128.and(
    v128.and(
      i8x16.swizzle(FIRST_HIGH, i8x16.shr_u(first, 4)),
      i8x16.swizzle(FIRST_LOW, v128.and(first, low)),
    ),
    i8x16.swizzle(SECOND_HIGH, i8x16.shr_u(bytes, 4)),
  );
  // Two continuations in a row are right behind the first byte of three or four: the top bit of one of these.
  const longer = v128.or(
    i8x16.sub_sat_u(second, i8x16.splat(<i8>(0xe0 - 0x80))),
    i8x16.sub_sat_u(third, i8x16.splat(<i8>(0xf0 - 0x80))),
  );
  return v128.xor(v128.and(longer, i8x16.splat(<i8>0x80)), pairs);
}
