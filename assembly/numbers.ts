/** The four digits of 0 to 9999, first digit in the lowest byte. */
const DIGITS: usize = memory.data(40000 + 8, 16);
for (let i = 0; i < 10000; i++) {
  store<u8>(DIGITS + i * 4, <u8>(48 + i / 1000));
  store<u8>(DIGITS + i * 4 + 1, <u8>(48 + ((i / 100) % 10)));
  store<u8>(DIGITS + i * 4 + 2, <u8>(48 + ((i / 10) % 10)));
  store<u8>(DIGITS + i * 4 + 3, <u8>(48 + (i % 10)));
}

/** Decimals of up to 15 digits and no double share a double with another such decimal. */
const DECIMAL_MAX: f64 = 1e15;
const DECIMAL_PLACES_MAX = 15;
/** From here on down JavaScript writes an exponent. */
const DECIMAL_MIN: f64 = 1e-6;
const SAFE_INTEGER_MAX: f64 = 9007199254740991.0;

/** Writes 0 to 99 in two digits. */
export function writeTwo(value: u32, o: usize): void {
  store<u16>(o, load<u16>(DIGITS + value * 4 + 2));
}

/** Writes 0 to 999 in three digits, and one byte more that the next one overwrites. */
export function writeThree(value: u32, o: usize): void {
  store<u32>(o, load<u32>(DIGITS + value * 4 + 1));
}

/** Writes 0 to 9999 in four digits. */
export function writeFour(value: u32, o: usize): void {
  store<u32>(o, load<u32>(DIGITS + value * 4));
}

/** Writes an integer without leading zeros. */
export function writeUnsigned(value: u64, o: usize): usize {
  if (value >= 10000) {
    const front = value / 10000;
    const end = writeUnsigned(front, o);
    writeFour(<u32>(value - front * 10000), end);
    return end + 4;
  }
  const four = <u32>value;
  const zeros: u32 = <u32>(four < 10) + <u32>(four < 100) + <u32>(four < 1000);
  store<u32>(o, load<u32>(DIGITS + four * 4) >> (zeros * 8));
  return o + 4 - zeros;
}

/**
 * Writes a double as JavaScript's String() does.
 * @returns 0 for one whose digits are not found here: NaN, infinities, exponents, more than 15 digits
 */
export function writeNumber(x: f64, o: usize): usize {
  const value = abs<f64>(x);
  if (reinterpret<u64>(x) >> 63 != 0) {
    // Of -0, too: protobuf's JSON mapping keeps it.
    store<u8>(o++, 0x2d);
  }
  if (value <= SAFE_INTEGER_MAX && floor<f64>(value) == value) {
    return writeUnsigned(<u64>value, o);
  }
  return value >= DECIMAL_MIN && value < DECIMAL_MAX ? writeDecimal(value, o) : 0;
}

/**
 * Looks for the decimal of the fewest places that reads back as the double. An integer below 10^15 and a power of ten up
 * to 10^22 are exact, so their quotient is the double nearest to the decimal, which is what a reader makes of it. JavaScript writes
 * the shortest digits that read back; no other decimal of up to 15 digits does, so these are the same.
 */
function writeDecimal(value: f64, o: usize): usize {
  let scale: f64 = 1;
  for (let places = 1; places <= DECIMAL_PLACES_MAX; places++) {
    scale *= 10;
    const digits = nearest<f64>(value * scale);
    if (digits >= DECIMAL_MAX) {
      return 0;
    }
    if (digits / scale == value) {
      return writePlaces(<u64>digits, <u64>scale, places, o);
    }
  }
  return 0;
}

function writePlaces(digits: u64, scale: u64, places: i32, o: usize): usize {
  const whole = digits / scale;
  let fraction = digits - whole * scale;
  o = writeUnsigned(whole, o);
  store<u8>(o, 0x2e);
  for (let i = places; i > 0; i--) {
    const front = fraction / 10;
    store<u8>(o + i, <u8>(48 + fraction - front * 10));
    fraction = front;
  }
  return o + 1 + places;
}
