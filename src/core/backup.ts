/** The parts of a backup, independent of where it is written. */

/** The first part of a backup: what it is and where it comes from. */
export interface BackupHead {
  /** The version of the sequence of parts. A backup with another number has another format. */
  format: 1
  /** The version of the program that took the backup. */
  version: string
  /** The newest migration of the source database. A backup is restored only into a database at the same level. */
  level: number
  /** The id of the cluster, which is the name of its pins in Kubo. */
  clusterId: string
  /** `epoch` and `generation` only grow, also in a database that is restored from a backup. */
  epoch: number
  generation: number
  /** When the snapshot was taken, by the database's clock; ISO 8601. */
  takenAt: string
}

/** Rows are JSON objects as Postgres wrote them, one a line. No code between the two databases parses them. */
export type BackupPart =
  | { kind: 'head'; head: BackupHead }
  | { kind: 'table'; table: string; columns: string[] }
  | { kind: 'rows'; lines: string[] }
  /** How many rows each table has. A backup without this part is incomplete. */
  | { kind: 'end'; rows: Record<string, number> }
