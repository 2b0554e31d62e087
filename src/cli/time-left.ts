/** Only the last minute counts, so that an old pause is soon forgotten. */
const windowMs = 60_000
/** No estimate is given before this much time has been measured. */
const leastMs = 2_000

/**
 * Estimates how many ms remain until nothing is left, at the rate of the last minute; null while the rest does not shrink, and right
 * after the start.
 */
export function timeLeft(nowMs: () => number = () => performance.now()): (left: number) => number | null {
  let seen: { atMs: number; left: number }[] = []
  return (left) => {
    const atMs = nowMs()
    seen = [...seen.filter((each) => atMs - each.atMs <= windowMs), { atMs, left }]
    const [first] = seen
    if (first === undefined || atMs - first.atMs < leastMs || first.left <= left) return null
    return (left * (atMs - first.atMs)) / (first.left - left)
  }
}
