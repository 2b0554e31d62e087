/** What was left lately is looked at, so that an old pause does not count for long. */
const windowMs = 60_000
/** Before this nothing can be said. */
const leastMs = 2_000

/** How long something takes until nothing is left, ms, at the rate of the last minute; null while it does not shrink, or was just begun. */
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
