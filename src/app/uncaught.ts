import type { Log } from '../core/ports.ts'

/** How long a node may take to hand back its work before its process is ended. */
const handBackMs = 5_000

/**
 * Until disposed, handles errors and rejections that are not caught. Logs the error with its stack and calls `end`, which stops the node as
 * a signal would, because the state of this process can no longer be trusted. The node's supervisor starts it again.
 */
export function endOnUncaught(log: Pick<Log, 'error'>, end: (error: unknown) => void): Disposable {
  const onUncaught = (err: unknown): void => {
    // The wrapper makes the log print a stack, whatever kind of error this is.
    const whole = new Error('an uncaught error', { cause: err })
    log.error({ err: whole }, 'an unexpected error: this node hands its work back and ends')
    // oxlint-disable-next-line unicorn/no-process-exit -- whatever hangs after such an error must not keep the process
    setTimeout(() => process.exit(1), handBackMs).unref()
    end(err)
  }
  process.on('uncaughtException', onUncaught)
  process.on('unhandledRejection', onUncaught)
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', onUncaught)
      process.off('unhandledRejection', onUncaught)
    },
  }
}
