import type { Log } from './ports.ts'

/** For code that takes a log, where no one reads one: a check of `doctor`, a test. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog }
