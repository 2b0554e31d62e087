import type { PinClient, PinFilters, PinStatus } from '../../http/client.ts'

/** The most that the API gives at a time. */
const pageSize = 1000

/** The newest `limit` pins that match, page after page, and how many match in all. */
export async function* pages(
  client: PinClient,
  filters: PinFilters,
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<{ matching: number; pins: PinStatus[] }> {
  let before: string | undefined
  for (let left = limit; left > 0;) {
    const size = Math.min(left, pageSize)
    const asked = { ...filters, limit: size, ...(before === undefined ? {} : { before }) }
    const { count, results } = await client.list(asked, signal)
    yield { matching: count, pins: results }
    left -= results.length
    before = results.at(-1)?.created
    if (results.length < size) return
  }
}
