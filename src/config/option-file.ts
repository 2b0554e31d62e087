import { readFile } from 'node:fs/promises'
import { AnchorageError } from '../core/errors.ts'
import type { ConfigKey } from './keys.ts'

/** The text of the file that the option `key` names. Rejects `invalid`, naming the option, when the file cannot be read. */
export async function textOfFile(file: string, key: ConfigKey): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AnchorageError('invalid', `${key} cannot be read: ${why}`, { cause })
  }
}
