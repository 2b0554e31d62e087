import type { Log } from '../../core/ports.ts'

/** For code that logs on the way: a check reports only through its findings. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog }
