/** Rows in ascending order of CIDs, a page at a time. */
export interface CidSource<Row extends { cid: string }> {
  /** The next page after a CID ('': from the first one); empty when there are no more rows. */
  page(afterCid: string): Promise<Row[]>
  /** True when no more rows of this source are needed. */
  done(): boolean
}

/**
 * The rows of all sources in one order, with rows of the same CID together. Holds one page of each source and no more. The order is by code
 * units, which for CIDs (ASCII) is the database's order.
 */
export async function* mergeByCid<Row extends { cid: string }, Source extends CidSource<Row>>(
  sources: readonly Source[],
): AsyncGenerator<{ source: Source; row: Row }[]> {
  const heap: Cursor<Row, Source>[] = []
  for (const source of sources) await enter(heap, source, '')
  for (let least = heap[0]; least !== undefined; least = heap[0]) {
    const { cid } = least.row
    const together: { source: Source; row: Row }[] = []
    while (heap[0] !== undefined && heap[0].row.cid === cid) {
      const { source, row, rest } = takeLeast(heap, heap[0])
      together.push({ source, row })
      const next = rest.pop()
      if (source.done()) continue
      if (next === undefined) await enter(heap, source, cid)
      else put(heap, { source, row: next, rest })
    }
    yield together
  }
}

/** The position in one source: its next row, and the rest of the page in reverse order. */
interface Cursor<Row, Source> {
  source: Source
  row: Row
  rest: Row[]
}

async function enter<Row extends { cid: string }, Source extends CidSource<Row>>(
  heap: Cursor<Row, Source>[],
  source: Source,
  afterCid: string,
): Promise<void> {
  const rest = (await source.page(afterCid)).toReversed()
  const row = rest.pop()
  if (row !== undefined) put(heap, { source, row, rest })
}

type Heap = { row: { cid: string } }

/** A binary heap: no entry sorts after its two children. */
function put<Entry extends Heap>(heap: Entry[], entry: Entry): void {
  let at = heap.length
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent]
    if (above === undefined || above.row.cid <= entry.row.cid) break
    heap[at] = above
    at = parent
  }
  heap[at] = entry
}

/** Removes `least`, which is at the top. */
function takeLeast<Entry extends Heap>(heap: Entry[], least: Entry): Entry {
  const last = heap.pop()
  if (last === undefined || last === least) return least
  let at = 0
  for (;;) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
    if (left === undefined) break
    const [child, place] =
      right !== undefined && right.row.cid < left.row.cid ? [right, 2 * at + 2] : [left, 2 * at + 1]
    if (last.row.cid <= child.row.cid) break
    heap[at] = child
    at = place
  }
  heap[at] = last
  return least
}
