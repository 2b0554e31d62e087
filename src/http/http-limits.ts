/** Bounds on what clients can use of the server. */
export interface HttpLimits {
  maxBodyBytes: number
  /** Request line and headers together. */
  maxHeadBytes: number
  /** From the first byte of a request to the end of its head. A client that sends byte by byte cannot hold a socket for longer. */
  headTimeoutMs: number
  /** From the first byte of a request to the end of its body. */
  requestTimeoutMs: number
  /** From the end of a request's head until the client has read its whole answer. */
  answerTimeoutMs: number
  /** How much of its body a client may still send after an early answer. It is discarded, and a client that sends more is cut off. */
  maxUnreadBytes: number
  /** How long a client may still send its body after an early answer. */
  unreadGraceMs: number
  /** How often the two timeouts of a request are checked. */
  timeoutCheckMs: number
  /** How long an idle connection is kept. Longer than the 60 s of common load balancers, so that they close first. */
  keepAliveMs: number
  /** How many connections there may be at a time; further ones are closed at once, unread. */
  maxConnections: number
  /** How long requests under way may take once the server is closing. */
  closeGraceMs: number
}

export const defaultLimits: HttpLimits = {
  // Fits the largest pin: 16 KiB of meta, each byte of which may take six in JSON, and its origins.
  maxBodyBytes: 256 << 10,
  // Clients send long filters in the request line. They should get an answer that says what is wrong with the filter.
  maxHeadBytes: 128 << 10,
  headTimeoutMs: 15_000,
  requestTimeoutMs: 60_000,
  answerTimeoutMs: 120_000,
  maxUnreadBytes: 16 << 20,
  unreadGraceMs: 2_000,
  timeoutCheckMs: 5_000,
  keepAliveMs: 75_000,
  maxConnections: 4_096,
  closeGraceMs: 10_000,
}
