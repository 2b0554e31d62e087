import { AnchorageError, isCode } from '../core/errors.ts'
import { parseId } from '../core/ids.ts'
import type { Clock, TokenStore } from '../core/ports.ts'
import type { SigningKey } from '../core/token.ts'
import { unwrapKey } from './key-wrap.ts'

/** The store is read no oftener than this: anyone can invent the id of a key. */
const minReadMs = 250
/** After this long a known key is looked up again, so that a retired one stops working. */
const maxAgeMs = 60_000

/** The keys that verify tokens, by `kid`. A `kid` is only ever compared with the ids in this map. */
export interface KeyRing {
  /**
   * Null when no key has this id: so says the store, read after the question was put, since another node may have made the key a moment
   * ago. `unavailable` when it is not known and the store cannot be asked.
   */
  readonly secretOf: (kid: string) => Promise<Uint8Array | null>
}

/** A ring that is filled from the store when it is first asked, and whenever it is asked for a key it does not know. */
export function keyRing(options: {
  store: Pick<TokenStore, 'signingKeys'>
  masterKey: Uint8Array
  clock: Clock
}): KeyRing {
  const { store, masterKey, clock } = options
  let keys = new Map<string, SigningKey>()
  const secrets = new Map<string, Uint8Array>()
  let startedAtMs = -Infinity
  /** When the store was asked for what it last answered. */
  let askedAtMs = -Infinity
  let reading: Promise<void> = Promise.resolve()
  let next: Promise<void> | null = null

  const read = async () => {
    const nowMs = (startedAtMs = clock.now())
    const rows = await store.signingKeys()
    askedAtMs = nowMs
    keys = new Map(rows.filter((key) => key.state !== 'retired').map((key) => [key.id, key]))
    secrets.clear()
  }
  /** A read that has not begun yet, the same for all who ask before it does. */
  const readAnew = () => {
    next ??= (async () => {
      await reading.catch(() => undefined)
      await pause(clock, startedAtMs + minReadMs - clock.now())
      next = null
      reading = read()
      await reading
    })()
    return next
  }
  const secretOfKnown = (key: SigningKey) => {
    const secret = secrets.get(key.id) ?? unwrapKey(masterKey, key)
    secrets.set(key.id, secret)
    return secret
  }

  return {
    async secretOf(kid) {
      if (!isKeyId(kid)) return null
      if (!keys.has(kid) || Math.abs(clock.now() - askedAtMs) > maxAgeMs) {
        try {
          await readAnew()
        } catch (cause) {
          if (!keys.has(kid)) throw notAsked(cause)
        }
      }
      const key = keys.get(kid)
      return key === undefined ? null : secretOfKnown(key)
    },
  }
}

/** Bounded also when the machine's clock was set back. */
async function pause(clock: Clock, ms: number): Promise<void> {
  if (ms > 0) await clock.sleep(Math.min(ms, minReadMs), new AbortController().signal)
}

function isKeyId(kid: string): boolean {
  try {
    return parseId('key', kid) === kid
  } catch {
    return false
  }
}

function notAsked(cause: unknown): AnchorageError {
  if (isCode(cause, 'unavailable')) return cause
  return new AnchorageError('unavailable', 'the signing keys cannot be read just now', { cause })
}
