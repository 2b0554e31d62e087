/**
 * Micro-batching without a timer: while a call for a key is under way, the next batch gathers. So a lone item does not wait, and many items
 * share calls. At most one call per key is in flight, with at most `max` items, first come first served.
 *
 * `run` returns results in input order. An `Error` in place of a result rejects that item alone; a rejection rejects the whole batch.
 * `pause` gets the number of waiting items and is awaited before each batch is closed, for callers that at times prefer fewer calls to
 * quick ones. It must not reject. An idle key uses no memory.
 */
export function gather<K, T, R>(
  run: (key: K, items: T[]) => Promise<(R | Error)[]>,
  { max, pause }: { max: number; pause?: (waiting: number) => Promise<void> },
): (key: K, item: T) => Promise<R> {
  const lanes = new Map<K, Waiting<T, R>[]>()

  return (key, item) =>
    new Promise<R>((resolve, reject) => {
      const waiting = { item, resolve, reject }
      const lane = lanes.get(key)
      if (lane !== undefined) {
        lane.push(waiting)
        return
      }
      const opened = [waiting]
      lanes.set(key, opened)
      // One microtask later, so that items added in the same tick share the first call too.
      queueMicrotask(() => void drain(key, opened))
    })

  async function drain(key: K, lane: Waiting<T, R>[]): Promise<void> {
    while (lane.length > 0) {
      if (pause !== undefined) await pause(lane.length)
      const batch = lane.splice(0, max)
      try {
        settle(batch, await run(key, batch.map(itemOf)))
      } catch (error) {
        for (const waiting of batch) waiting.reject(error)
      }
    }
    lanes.delete(key)
  }
}

interface Waiting<T, R> {
  item: T
  resolve: (result: R) => void
  reject: (error: unknown) => void
}

function itemOf<T, R>(waiting: Waiting<T, R>): T {
  return waiting.item
}

function settle<T, R>(batch: Waiting<T, R>[], results: (R | Error)[]): void {
  if (results.length !== batch.length) {
    throw new Error(`a batch of ${batch.length} items returned ${results.length} results`)
  }
  for (const [index, result] of results.entries()) {
    if (result instanceof Error) batch[index]?.reject(result)
    else batch[index]?.resolve(result)
  }
}
