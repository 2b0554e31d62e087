import type { Environment } from './sources.ts'

/**
 * This process's environment; no other file reads `process.env`. It is separate from the options because most verbs need not load those.
 */
export function environment(): Environment {
  return process.env
}
