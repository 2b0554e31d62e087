import type { PinErrorCode } from './pin.ts'

/** Kubo's refusal in our terms. `permanent` means that trying again cannot help. */
export class IpfsError extends Error {
  readonly code: PinErrorCode
  readonly permanent: boolean

  constructor(code: PinErrorCode, message: string, more: { permanent?: boolean; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'IpfsError'
    this.code = code
    this.permanent = more.permanent ?? false
  }
}
