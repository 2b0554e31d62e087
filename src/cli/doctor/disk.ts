import { access, constants, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { inOneLine } from '../../core/errors.ts'
import { bytes } from '../print.ts'
import { fail, ok, warn, type Check, type Finding } from './finding.ts'

/** JetStream's store may grow to half of this. The rest is for logs, and for files that JetStream rewrites as copies. */
const comfortableBytes = 2 * 1024 ** 3
const leastBytes = 256 * 1024 ** 2

/** Whether this node can keep its own files. */
export const checkDisk: Check = async ({ config }) => {
  const { dir } = config.data
  const place = await nearestDirectory(dir)
  try {
    await access(place, constants.W_OK | constants.X_OK)
  } catch (error) {
    const what =
      place === dir ? `data.dir ${dir} cannot be written` : `data.dir ${dir} cannot be made in ${place}`
    return [
      fail('disk', `${what}: ${inOneLine(error)}`, 'make it writable for the user that runs anchorage serve'),
    ]
  }
  const { bavail, bsize } = await statfs(place)
  return [roomOf(bavail * bsize, dir)]
}

/** Whether there is room in `data.dir` for this node's files. */
export function roomOf(freeBytes: number, dir: string): Finding {
  const says = `${bytes(freeBytes)} free for data.dir ${dir}`
  const advice = 'free some space: JetStream takes no messages when its disk is full'
  if (freeBytes < leastBytes) return fail('disk', says, advice)
  return freeBytes < comfortableBytes ? warn('disk', says, advice) : ok('disk', says)
}

/** The directory itself, or the nearest one above it that exists: the first start creates the others. */
async function nearestDirectory(dir: string): Promise<string> {
  for (let place = dir; ; place = dirname(place)) {
    const isThere = await access(place, constants.F_OK).then(
      () => true,
      () => false,
    )
    if (isThere || place === dirname(place)) return place
  }
}
