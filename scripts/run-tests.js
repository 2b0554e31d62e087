// npm test: the unit tests, every test on one real server, and the whole-system tests that show what anchorage does.
// npm run test:unit: the unit tests alone. npm test -- FILE …: those files. npm test -- --failed: the files that failed last.
import { resolve } from 'node:path'
import { serverTests, systemTests, unitTests } from './test-files.js'
import { TestRun, failedLast, untilStopped } from './test-run.js'

const minute = 60_000
const args = process.argv.slice(2)
const tests = new TestRun({ signal: untilStopped() })
const unit = () => tests.group('unit tests', unitTests(), { concurrency: 2, timeout: 5 * minute })

if (args[0] === '--unit') await unit()
else if (args.length > 0) await only(args[0] === '--failed' ? failedLast() : args)
else if (await tests.servers()) {
  await unit()
  // More files at a time than there are cores, because most of these tests wait for servers.
  await tests.group('tests on one server', serverTests(), { concurrency: 3, timeout: 15 * minute })
  await tests.group('tests of the whole system', systemTests(), { concurrency: 3, timeout: 15 * minute })
}

tests.sayResult()
tests.noteFailed()
process.exit(tests.green ? 0 : 1)

async function only(files) {
  const asked = files.map((file) => resolve(file))
  if (asked.length > 0 && (await tests.servers()))
    await tests.group('the tests asked for', asked, { concurrency: 1, timeout: 15 * minute })
}
