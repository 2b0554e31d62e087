import { parseOrigin } from '../../core/origin.ts'
import type { Pin } from '../../http/client.ts'

/** A pin to be asked for, and where it was read: what is wrong with it is told by that. */
export interface Wish {
  where: string
  /** Null: nothing could be read there. */
  pin: Pin | null
}

/** The specification allows no more. */
const maxOrigins = 20

/**
 * The pin that a line means: a status as services tell it, or the pin alone. Whoever has it now is an origin for whoever gets it; what is
 * no address of a peer helps nobody and is left out.
 */
export function pinIn(line: string): Pin | null {
  try {
    return pinOf(JSON.parse(line))
  } catch {
    return null
  }
}

export function pinOf(said: { pin?: Pin; delegates?: string[] } & Partial<Pin>): Pin | null {
  const { cid, name, origins, meta } = said.pin ?? said
  if (typeof cid !== 'string') return null
  const sources = [...new Set([...(origins ?? []), ...(said.delegates ?? [])])].filter(isOrigin)
  return {
    cid,
    ...(typeof name === 'string' ? { name } : {}),
    ...(sources.length === 0 ? {} : { origins: sources.slice(0, maxOrigins) }),
    ...(meta && Object.keys(meta).length > 0 ? { meta } : {}),
  }
}

function isOrigin(text: string): boolean {
  try {
    return parseOrigin(text) === text
  } catch {
    return false
  }
}
