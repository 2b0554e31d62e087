/** Runs `one` and `other` at the same time. The first failure aborts both, and is thrown once both have ended. */
export async function sideBySide<A, B>(
  signal: AbortSignal | undefined,
  one: (signal: AbortSignal) => Promise<A>,
  other: (signal: AbortSignal) => Promise<B>,
): Promise<[A, B]> {
  const stop = new AbortController()
  const both = AbortSignal.any(signal === undefined ? [stop.signal] : [signal, stop.signal])
  const work = async <T>(begin: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      return await begin(both)
    } catch (error) {
      stop.abort(error)
      throw error
    }
  }
  const works = [work(one), work(other)] as const
  await Promise.allSettled(works)
  stop.signal.throwIfAborted()
  return Promise.all(works)
}
