/** What one client may take of the server. */
export interface HttpLimits {
  maxBodyBytes: number
  /** Request line and headers together. */
  maxHeadBytes: number
  /** From the first byte of a request to the end of its head: a client that sends byte by byte holds a socket no longer. */
  headTimeoutMs: number
  /** The same, to the end of its body. */
  requestTimeoutMs: number
  /** From the end of a request's head to the last byte of its answer that the client reads. */
  answerTimeoutMs: number
  /** What a client that was answered early may still send of its body, to be thrown away, before it is cut off. */
  maxUnreadBytes: number
  /** The same in time. */
  unreadGraceMs: number
  /** How often the two timeouts of a request are looked at. */
  timeoutCheckMs: number
  /** How long an idle connection is kept. Longer than the 60 s of common load balancers, so that they close first. */
  keepAliveMs: number
  /** Connections at a time; what comes beyond them is closed at once, unread. */
  maxConnections: number
  /** How long requests under way may take once the server is closing. */
  closeGraceMs: number
}

export const defaultLimits: HttpLimits = {
  // A pin with all that it may have: 16 KiB of meta, each byte of which may take six in JSON, and its origins.
  maxBodyBytes: 256 << 10,
  // Clients send long filters in the request line; they are to get an answer that says what is wrong.
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
