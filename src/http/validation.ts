import type { FastifyServerOptions } from 'fastify'
import { invalidBySchema } from './invalid.ts'
import { instantMs } from './spec/instant.ts'

/** How schemas are applied: what a client sends is accepted as it is or refused, never converted or trimmed. */
export const validation: Pick<FastifyServerOptions, 'ajv' | 'schemaErrorFormatter'> = {
  ajv: {
    customOptions: {
      coerceTypes: false,
      removeAdditional: false,
      // Keywords for the OpenAPI document, which validate nothing.
      keywords: ['style', 'explode', 'x-consume'],
    },
    onCreate: (ajv) => {
      ajv.addFormat('date-time', { type: 'string', validate: (text: string) => instantMs(text) !== null })
    },
  },
  schemaErrorFormatter: invalidBySchema,
}
