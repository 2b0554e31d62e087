import type { Duplex } from 'node:stream'

/** An exception in whatever reads `stream` (an answer beyond what a string can hold, say) ends the stream, and not the process. */
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
