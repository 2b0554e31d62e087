/** Rows as aligned columns: the first column is left-aligned, all others are right-aligned. */
export function table(head: string[], rows: string[][]): string {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const laid = lines.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   '),
  )
  laid.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('   '))
  return laid.join('\n')
}
