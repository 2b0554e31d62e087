// Runs a program in place of this process: same streams, same signals, same exit code.
import { spawn } from 'node:child_process'
import { ended, install, root } from './install.js'

/** Installs what is missing, then runs `args` on Node 24, in `cwd`. */
export async function handOver(args, options = {}) {
  return runOn(await install(), args, options)
}

/**
 * Runs `args` on `node`, in `cwd`. The program gets a session of its own. Otherwise a Ctrl-C in a terminal would reach it twice (npm
 * passes it on too), and twice means "at once". The IPC channel tells the program when this process is gone.
 */
export function runOn(node, args, { cwd = root } = {}) {
  const child = spawn(node, args, { cwd, detached: true, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  let last = 0
  const pass = (signal) => {
    // The two copies of one Ctrl-C arrive together; a person's second one comes later.
    if (Date.now() - last > 300) child.kill(signal)
    last = Date.now()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass)
  if (process.env.npm_lifecycle_event !== undefined) followParent(() => child.kill('SIGTERM'))
  return ended(child)
}

/** Calls `onGone` when npm was killed: then the program has no use. */
function followParent(onGone) {
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && onGone(), 1_000).unref()
}

/** Runs `main` and makes its result the exit code; an error is printed as one line. */
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
