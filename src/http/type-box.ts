import type { FastifyInstance, FastifyTypeProvider } from 'fastify'
import type { Static, TSchema } from 'typebox'

/** Schemas are the types: a handler sees what its route's schema validated. */
export interface TypeBox extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

/** `app`, whose routes are typed by their schemas. */
export function typed(app: FastifyInstance) {
  return app.withTypeProvider<TypeBox>()
}

export type TypedApp = ReturnType<typeof typed>
