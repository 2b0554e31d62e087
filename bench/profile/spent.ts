import { readFile } from 'node:fs/promises'

/** The time of processors that a server has used, and its calls to read and write, of files and of sockets, since it started. */
export interface Spent {
  userMs: number
  systemMs: number
  /** Calls of read and write. Postgres does not use these for its sockets, so its are those of files. */
  reads: number
  writes: number
  readBytes: number
  writtenBytes: number
}

/**
 * What process `pid` has used; of a `family`, such as Postgres with its connections, all processes together. A child that ended counts
 * too: the kernel adds its sums to those of its parent. Rejects when `pid` is gone.
 */
export async function spentBy(pid: number, family = false): Promise<Spent> {
  const own = await spentByOne(pid, family)
  if (!family) return own
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean)
  // A child that ends while it is read has nothing of its own any more.
  const others = await Promise.all(children.map((child) => spentByOne(Number(child), false).catch(() => [])))
  return others.flat().reduce(plus, own)
}

async function spentByOne(pid: number, withEnded: boolean): Promise<Spent> {
  const [stat, io] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/io`, 'utf8'),
  ])
  return { ...timesIn(stat, withEnded), ...callsIn(io) }
}

const msPerTick = 10

/** The times in the text of `/proc/PID/stat`; `withEnded`: those of children that ended as well. */
export function timesIn(stat: string, withEnded: boolean): Pick<Spent, 'userMs' | 'systemMs'> {
  // The name of the program stands in brackets and may contain blanks and brackets.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11)
  const ended = withEnded ? 1 : 0
  return {
    userMs: (user + ended * endedUser) * msPerTick,
    systemMs: (system + ended * endedSystem) * msPerTick,
  }
}

/** The calls and bytes in the text of `/proc/PID/io`. */
export function callsIn(io: string): Omit<Spent, 'userMs' | 'systemMs'> {
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)?.[1])
  return {
    reads: field('syscr'),
    writes: field('syscw'),
    readBytes: field('rchar'),
    writtenBytes: field('wchar'),
  }
}

function plus(a: Spent, b: Spent): Spent {
  return {
    userMs: a.userMs + b.userMs,
    systemMs: a.systemMs + b.systemMs,
    reads: a.reads + b.reads,
    writes: a.writes + b.writes,
    readBytes: a.readBytes + b.readBytes,
    writtenBytes: a.writtenBytes + b.writtenBytes,
  }
}
