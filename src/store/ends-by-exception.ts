import type { Duplex } from 'node:stream'

/**
 * An exception in a reader of `stream` (for example, an answer too long for a string) destroys the stream instead of ending the process.
 */
export function endsByException(stream: Duplex): void {
  const emit = stream.emit.bind(stream)
  stream.emit = (event: string | symbol, ...given: unknown[]) => {
    if (event !== 'data') return emit(event, ...given)
    try {
      return emit(event, ...given)
    } catch (error) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)))
      return true
    }
  }
}
