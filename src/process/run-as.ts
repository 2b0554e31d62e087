import { spawnSync } from 'node:child_process'

/** The user that a server runs as. */
export interface RunAs {
  uid: number
  gid: number
  name: string
}

/** True when `user` may do `flag` (test's `-r`, `-x`, `-w`) with `path`. The system is asked, because it knows about groups and ACLs. */
export function userCan(user: RunAs | null, flag: '-r' | '-x' | '-w', path: string): boolean {
  const as = user ? { uid: user.uid, gid: user.gid } : {}
  return spawnSync('test', [flag, path], { ...as, cwd: '/', stdio: 'ignore' }).status === 0
}
