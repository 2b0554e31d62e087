import { TypeID, fromString, toUUID, typeidUnboxed } from 'typeid-js'
import { AnchorageError } from './errors.ts'

/** What an id names: the prefix of its TypeID (https://github.com/jetify-com/typeid). */
export type IdKind = 'org' | 'usr' | 'tok' | 'pin' | 'nod' | 'pln' | 'aud' | 'ses' | 'key'

/** A TypeID, branded by its kind, so that an `OrgId` never passes for a `PinId`. */
export type Id<K extends IdKind> = `${K}_${string}` & { readonly __id: K }
export type OrgId = Id<'org'>
export type UserId = Id<'usr'>
export type TokenId = Id<'tok'>
export type SessionId = Id<'ses'>
export type KeyId = Id<'key'>
export type PinId = Id<'pin'>
export type NodeId = Id<'nod'>
export type PlanId = Id<'pln'>
export type AuditId = Id<'aud'>

/** A new id of `kind` over a UUIDv7, so that ids sort by the time they were minted. */
export function mintId<K extends IdKind>(kind: K): Id<K> {
  return String(typeidUnboxed(kind)) as Id<K>
}

/** The id that `text` spells; throws `invalid` when it is not a TypeID of that kind. */
export function parseId<K extends IdKind>(kind: K, text: string): Id<K> {
  try {
    const id = fromString(text, kind)
    toUUID(id)
    return String(id) as Id<K>
  } catch (cause) {
    throw new AnchorageError('invalid', `not an id of the form ${kind}_…`, { cause })
  }
}

/** The same for an id that a client names: an id that cannot be parsed is reported as "not found", with `message`. */
export function idOrNotFound<K extends IdKind>(kind: K, text: string, message: string): Id<K> {
  try {
    return parseId(kind, text)
  } catch (cause) {
    throw new AnchorageError('not_found', message, { cause })
  }
}

/** The same, or null when `text` is no such id. */
export function idOrNull<K extends IdKind>(kind: K, text: string): Id<K> | null {
  try {
    return parseId(kind, text)
  } catch {
    return null
  }
}

/** The `uuid` under which SQL stores an id. */
export function uuidOf(id: Id<IdKind>): string {
  return TypeID.fromString(id).toUUID()
}

/** The id of `kind` for a `uuid` column. */
export function idOf<K extends IdKind>(kind: K, uuid: string): Id<K> {
  return String(TypeID.fromUUID(kind, uuid)) as Id<K>
}
