import { hostname, userInfo } from 'node:os'

/** The actor that the audit names for a verb: the operator's login on this machine. */
export function localOperator(): string {
  return `operator:${userInfo().username}@${hostname()}`
}
