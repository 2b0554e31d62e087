/** The few shapes of ASN.1's DER that a certificate is made of. Each function returns the whole element: tag, length, content. */

export function sequence(...parts: Buffer[]): Buffer {
  return element(0x30, ...parts)
}

export function set(...parts: Buffer[]): Buffer {
  return element(0x31, ...parts)
}

/** A number that is never negative, most significant byte first. */
export function integer(bytes: Buffer): Buffer {
  // A leading 1 bit would make it negative.
  return element(0x02, ...((bytes[0] ?? 0) >= 0x80 ? [Buffer.of(0)] : []), bytes)
}

export function yes(): Buffer {
  return element(0x01, Buffer.of(0xff))
}

/** A bit string of whole bytes, as in signatures and keys. */
export function bitString(bytes: Buffer): Buffer {
  return element(0x03, Buffer.of(0), bytes)
}

/** A bit string of flags; the first flag is the highest bit. */
export function bitFlags(highest: number, unusedBits: number): Buffer {
  return element(0x03, Buffer.of(unusedBits, highest))
}

export function octetString(bytes: Buffer): Buffer {
  return element(0x04, bytes)
}

export function utf8String(text: string): Buffer {
  return element(0x0c, Buffer.from(text, 'utf8'))
}

/** An object identifier, such as `1.2.840.10045.4.3.2`. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** UTCTime until 2049 and GeneralizedTime from 2050 on, as RFC 5280 demands. */
export function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/\.\d+/, '').replaceAll(/[-:T]/g, '')
  return at.getUTCFullYear() < 2050
    ? element(0x17, Buffer.from(digits.slice(2)))
    : element(0x18, Buffer.from(digits))
}

/** The context-specific tag `number` around whole elements. */
export function explicit(number: number, ...parts: Buffer[]): Buffer {
  return element(0xa0 + number, ...parts)
}

/** The context-specific tag `number` in place of the element's own tag. */
export function implicit(number: number, bytes: Buffer): Buffer {
  return element(0x80 + number, bytes)
}

function element(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.of(tag), length(content.length), content])
}

function length(size: number): Buffer {
  if (size < 0x80) return Buffer.of(size)
  return size < 0x100 ? Buffer.of(0x81, size) : Buffer.of(0x82, size >> 8, size & 0xff)
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80)
  return digits
}
