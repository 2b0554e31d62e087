import type { Environment } from './config-sources.ts'

/** This process's environment; nothing else reads it. Apart from the options, which most verbs need not load. */
export function environment(): Environment {
  return process.env
}
