import type { Log } from '../core/ports.ts'

/** How long a node may take to hand its work back before its process ends all the same. */
const handBackMs = 5_000

/**
 * Catches what nobody has caught, until disposed of: it is told whole, and `end` stops the node as a signal would, since nobody knows
 * what still holds in this process. Its supervisor starts it anew.
 */
export function lastNet(log: Pick<Log, 'error'>, end: (error: unknown) => void): Disposable {
  const onUncaught = (err: unknown): void => {
    // Of this one the log needs the stack, whatever it is.
    const whole = new Error('nobody caught this', { cause: err })
    log.error({ err: whole }, 'an error that nobody expected: this node hands its work back and ends')
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
