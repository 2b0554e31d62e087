/** What a backup is made of, whatever it is written to. */

/** What a backup says of itself before anything else. */
export interface BackupHead {
  /** Of the sequence of parts itself; another number is another format. */
  format: 1
  /** Of the program that took it. */
  version: string
  /** The newest migration of the database that it was taken from; it goes back only into one at the same level. */
  level: number
  /** What Kubo's pins are named by. */
  clusterId: string
  /** Both only grow, in one book as in its restored copy. */
  epoch: number
  generation: number
  /** Of the snapshot, by the database's clock; ISO 8601. */
  takenAt: string
}

/** Rows are JSON objects as Postgres wrote them, a line each, and nothing between the two databases reads them. */
export type BackupPart =
  | { kind: 'head'; head: BackupHead }
  | { kind: 'table'; table: string; columns: string[] }
  | { kind: 'rows'; lines: string[] }
  /** How many rows each table has: without it a backup is not whole. */
  | { kind: 'end'; rows: Record<string, number> }
