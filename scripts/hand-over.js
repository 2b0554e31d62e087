// Runs a program in our place: same streams, same signals, same exit code.
import { spawn } from 'node:child_process'
import { ended, install, root } from './install.js'

/** Installs what is missing, then hands over to `args` on Node 24, in `cwd`. */
export async function handOver(args, options = {}) {
  return runOn(await install(), args, options)
}

/**
 * Hands over to `args` on `node`, in `cwd`. The program gets a session of its own, for in a terminal Ctrl-C would otherwise reach
 * it twice (npm passes it on too), and twice means "at once". It is told when we are gone by the channel between us.
 */
export function runOn(node, args, { cwd = root } = {}) {
  const child = spawn(node, args, { cwd, detached: true, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  let last = 0
  const pass = (signal) => {
    // The two copies of one Ctrl-C come together; a person's second one does not.
    if (Date.now() - last > 300) child.kill(signal)
    last = Date.now()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass)
  if (process.env.npm_lifecycle_event !== undefined) followParent(() => child.kill('SIGTERM'))
  return ended(child)
}

/** When npm was killed there is nobody left to whom we could matter. */
function followParent(onGone) {
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && onGone(), 1_000).unref()
}

/** Runs `main` and makes its result the exit code; what it throws is told in a line. */
export function exitWith(main) {
  main().then(
    (code) => {
      process.exitCode = code
    },
    (error) => {
      console.error(error.message)
      process.exitCode = 1
    },
  )
}
