import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'

/** The page loads nothing from other origins, sends nothing to them, and runs only its own files. */
const contentPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const script = 'text/javascript; charset=utf-8'

/** The file and the content type of each path. */
const files = {
  '/': ['account.html', 'text/html; charset=utf-8'],
  '/pages/account.css': ['account.css', 'text/css; charset=utf-8'],
  '/pages/account.js': ['account.js', script],
  '/pages/api.js': ['api.js', script],
  '/pages/elements.js': ['elements.js', script],
  '/pages/sessions.js': ['sessions.js', script],
  '/pages/tokens.js': ['tokens.js', script],
} as const

/**
 * Serves a plain page at `/` where people sign in and out and manage their tokens and sessions. It calls the same routes as programs do.
 */
export async function pageRoutes(app: FastifyInstance): Promise<void> {
  for (const [path, [name, type]] of Object.entries(files)) {
    const content = await readFile(new URL(name, import.meta.url))
    app.get(path, { schema: { hide: true } }, (_request, reply) =>
      reply
        .headers({
          'content-type': type,
          'content-security-policy': contentPolicy,
          'referrer-policy': 'same-origin',
          // files of different versions would not fit together
          'cache-control': 'no-cache',
        })
        .send(content),
    )
  }
}
