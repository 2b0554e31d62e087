/** A refusal, with the details that the node gave. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} details
   */
  constructor(status, details) {
    super(details)
    this.status = status
  }
}

/**
 * Sends a request to the node with the session's cookie; `org` names the org that it is about. Returns null for an empty answer.
 * @param {string} method
 * @param {string} path below /v1
 * @param {{ org?: string | null, body?: object }} [more]
 */
export async function ask(method, path, { org = null, body } = {}) {
  const response = await fetch(`/v1${path}`, {
    method,
    cache: 'no-store',
    headers: {
      ...(org === null ? {} : { 'anchorage-org': org }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (response.status === 204) return null
  const answer = await response.json().catch(() => null)
  if (response.ok) return answer
  throw new Refused(response.status, answer?.error?.details ?? `the service answered ${response.status}`)
}
