import type { FastifyServerOptions } from 'fastify'
import { invalidBySchema } from './invalid.ts'
import { instantMs } from './spec/instant.ts'

/** How schemas are applied: what a client sends is taken as it is or refused, never converted or trimmed. */
export const validation: Pick<FastifyServerOptions, 'ajv' | 'schemaErrorFormatter'> = {
  ajv: {
    customOptions: {
      coerceTypes: false,
      removeAdditional: false,
      // Words for the OpenAPI document that say nothing about validity.
      keywords: ['style', 'explode', 'x-consume'],
    },
    onCreate: (ajv) => {
      ajv.addFormat('date-time', { type: 'string', validate: (text: string) => instantMs(text) !== null })
    },
  },
  schemaErrorFormatter: invalidBySchema,
}
