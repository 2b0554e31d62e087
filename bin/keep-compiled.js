import { statSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'

/**
 * Lets V8 keep what it compiles, and Node what it strips of types, in this user's cache: the next start takes it from there. A cache
 * that belongs to another user (`sudo` may keep HOME) is not used, for what lies in it is run. `NODE_DISABLE_COMPILE_CACHE=1` switches it off.
 */
export function keepCompiled() {
  const { XDG_CACHE_HOME, HOME } = process.env
  const home = XDG_CACHE_HOME || HOME
  if (!home || statSync(home, { throwIfNoEntry: false })?.uid !== process.getuid?.()) return
  const cache = XDG_CACHE_HOME || join(home, '.cache')
  module.enableCompileCache?.(join(cache, 'anchorage', 'compiled'))
}
