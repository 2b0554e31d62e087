// Checks our OpenAPI document against Spectral's rules for OpenAPI. It listens on no port, because the document is generated from the
// schemas.
import spectral from '@stoplight/spectral-core'
import rulesets from '@stoplight/spectral-rulesets'
import { fakeServer } from '../testing/fakes/http-server.ts'

const rules = {
  // A summary says what an operation does; it has a description only when there is more to say.
  'operation-description': 'off',
  // The contact depends on who runs the service.
  'info-contact': 'off',
}

const { app } = fakeServer()
await app.ready()
const linter = new spectral.Spectral()
linter.setRuleset({ extends: [rulesets.oas], rules })
const found = await linter.run(JSON.parse(JSON.stringify(app.swagger())))
for (const { path, code, message } of found) console.error(`${path.join('.')}: ${message} (${code})`)
process.exitCode = found.length === 0 ? 0 : 1
