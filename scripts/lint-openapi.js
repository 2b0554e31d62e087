// Holds our OpenAPI document to Spectral's rules for OpenAPI. Listens nowhere: the document is made of the schemas.
import spectral from '@stoplight/spectral-core'
import rulesets from '@stoplight/spectral-rulesets'
import { fakeServer } from '../src/http/fake-pins.ts'

const rules = {
  // A summary says what an operation does; a description follows where there is more to say.
  'operation-description': 'off',
  // Whom to turn to is a matter of who runs it.
  'info-contact': 'off',
}

const { app } = fakeServer()
await app.ready()
const linter = new spectral.Spectral()
linter.setRuleset({ extends: [rulesets.oas], rules })
const found = await linter.run(JSON.parse(JSON.stringify(app.swagger())))
for (const { path, code, message } of found) console.error(`${path.join('.')}: ${message} (${code})`)
process.exitCode = found.length === 0 ? 0 : 1
