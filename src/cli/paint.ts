import picocolors from 'picocolors'
import type { Colors } from 'picocolors/types.js'
import type { Process } from './verb.ts'

/** Colours for a stream; no colours with `NO_COLOR`, `--no-color` or `--json`, on a dumb terminal, and where there is no terminal. */
export function paintFor(
  { env }: Pick<Process, 'env'>,
  isTerminal: boolean,
  globals: ReadonlySet<string>,
): Colors {
  const isPlain = globals.has('--no-color') || globals.has('--json') || Boolean(env['NO_COLOR'])
  return picocolors.createColors(isTerminal && !isPlain && env['TERM'] !== 'dumb')
}

const colours: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = {
  live: 'green',
  ok: 'green',
  pinned: 'green',
  applied: 'green',
  warn: 'yellow',
  draining: 'yellow',
  applying: 'yellow',
  paused: 'yellow',
  suspended: 'yellow',
  pending: 'yellow',
  silent: 'red',
  unable: 'red',
  failed: 'red',
  FAIL: 'red',
  drifted: 'red',
  revoked: 'red',
}

/** Colours a state by its first word: good, under way or wrong. An unknown state is left as it is. */
export function stateIn(paint: Colors, text: string): string {
  const colour = colours[/^\w+/.exec(text)?.[0] ?? '']
  return colour === undefined ? text : paint[colour](text)
}
