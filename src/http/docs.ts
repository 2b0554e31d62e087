import swagger, { type SwaggerTransformObject } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { sessionCookie } from './session/cookies.ts'

/** The page loads nothing from other origins and sends nothing to them. */
const contentPolicy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"

/** Serves `/v1/openapi.json`, made from the schemas that the routes validate with, and `/v1/docs`, a page to read it and try it out. */
export function docs(app: FastifyInstance): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'anchorage',
        version: '1.0.0',
        description: 'The IPFS Pinning Services API 1.0.0, and the routes that anchorage adds to it.',
        license: { name: 'MIT OR Apache-2.0', identifier: 'MIT OR Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          accessToken: { type: 'http', scheme: 'bearer' },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: sessionCookie,
            description:
              'A person who is a member of several orgs names one of them in the header ' +
              '`anchorage-org`, by TypeID or slug',
          },
        },
      },
      security: [{ accessToken: [] }, { session: [] }],
      tags: [
        { name: 'pins', description: 'The Pinning Services API' },
        { name: 'tokens', description: 'Access tokens, by self-service' },
        { name: 'orgs', description: 'Orgs, their limits, usage and members' },
        { name: 'auth', description: 'Signing in and out, for browsers' },
        { name: 'admin', description: 'For operators: tokens with the scope `cluster:admin`' },
        { name: 'node', description: 'For operators and load balancers' },
      ],
    },
    transformObject: asReadersNeedIt,
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, i) => (typeof $id === 'string' ? $id : `def-${i}`),
    },
  })
  app.register(swaggerUi, {
    routePrefix: '/v1/docs',
    staticCSP: contentPolicy,
    uiHooks: {
      onRequest: (_request, reply, done) => {
        reply.header('referrer-policy', 'same-origin')
        done()
      },
    },
    // without the bar that has a logo and a box for other documents
    uiConfig: {
      url: '/v1/openapi.json',
      layout: 'BaseLayout',
      validatorUrl: null,
      persistAuthorization: false,
    },
    theme: { title: 'anchorage API' },
  })
  app.get('/v1/openapi.json', { schema: { hide: true } }, () => app.swagger())
}

/**
 * Removes `style` from parameters that are sent as JSON. Moves the example of a parameter to its schema: the page shows it there too, but
 * does not prefill the field with it, which would narrow the results of a first try.
 */
const asReadersNeedIt: SwaggerTransformObject = (document) => {
  if (!('openapiObject' in document)) return document.swaggerObject
  for (const path of Object.values(document.openapiObject.paths ?? {}))
    for (const operation of Object.values(path ?? {}))
      if (typeof operation === 'object' && 'parameters' in operation) operation.parameters?.forEach(tidy)
  return document.openapiObject
}

function tidy(parameter: object): void {
  if ('content' in parameter) {
    Reflect.deleteProperty(parameter, 'style')
    Reflect.deleteProperty(parameter, 'explode')
  } else if ('example' in parameter && 'schema' in parameter) {
    const { example, schema } = parameter
    Reflect.deleteProperty(parameter, 'example')
    Object.assign(parameter, { schema: Object.assign({}, schema, { examples: [example] }) })
  }
}
