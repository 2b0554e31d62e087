const pageSize = 1000

/** All rows of a list. `read` returns the page after a row. */
export async function everyPage<T>(read: (last: T | undefined, limit: number) => Promise<T[]>): Promise<T[]> {
  const found: T[] = []
  for (;;) {
    const next = await read(found.at(-1), pageSize)
    found.push(...next)
    if (next.length < pageSize) return found
  }
}
