/** An operator's order that nothing is repaired for a while. */
export interface Maintenance {
  reason: string
  actor: string
  since: Date
  /** Null: until it is switched off. */
  until: Date | null
}
