/** Building blocks for the schemas of answers. */
import Type from 'typebox'
import type { Static, TSchema } from 'typebox'

export const text = (description: string) => Type.String({ description })
export const count = (description: string) => Type.Integer({ description, minimum: 0 })
export const instant = (description: string) => Type.String({ description, format: 'date-time' })

/** `schema`, or null. */
export function nullable<S extends TSchema>(schema: S) {
  return Type.Unsafe<Static<S> | null>({ ...schema, type: [Reflect.get(schema, 'type'), 'null'] })
}
